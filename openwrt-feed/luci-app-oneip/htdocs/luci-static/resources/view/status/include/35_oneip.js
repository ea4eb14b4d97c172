// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require baseclass';
'require oneip';

return baseclass.extend({
	title: _('Services with one address'),

	load() {
		return L.resolveDefault(oneip.status(), null);
	},

	render(status) {
		if (!status)
			return E('em', {}, [ _('The daemon is not running.') ]);

		const names = Object.keys(status.services);

		if (!names.length)
			return E('em', {}, [ _('No services are configured.') ]);

		return E([], [
			status.failing ? E('div', { 'class': 'alert-message warning' }, [ status.failing ]) : '',
			E('table', { 'class': 'table', 'aria-label': _('Services with one address') }, [
				E('tr', { 'class': 'tr table-titles' }, [
					E('th', { 'class': 'th', 'scope': 'col' }, [ _('Service') ]),
					E('th', { 'class': 'th', 'scope': 'col' }, [ _('Ghost addresses') ]),
					E('th', { 'class': 'th', 'scope': 'col' }, [ _('Servers') ]),
				]),
				...names.map((name) => this.renderService(name, status.services[name]))
			])
		]);
	},

	/** One line: how many of the servers are up, and which are not. */
	renderService(name, service) {
		const servers = Object.keys(service.servers);
		const others = servers.filter((server) => service.servers[server].state != 'up');

		return E('tr', { 'class': 'tr' }, [
			E('td', { 'class': 'td', 'data-title': _('Service') },
				E('a', { 'href': L.url('admin/services/oneip/status') }, [ name ])),
			E('td', { 'class': 'td', 'data-title': _('Ghost addresses') }, [ oneip.summary(service) ]),
			E('td', { 'class': 'td', 'data-title': _('Servers') }, [
				!service.running ? E('div', {}, [ _('Does not run: %s').format(service.inactive) ]) : '',
				E('div', {}, [
					_('%d of %d up').format(servers.length - others.length, servers.length),
					service.transition ? ', ' + _('a change is under way') : ''
				]),
				...others.map((server) => E('div', {}, [ oneip.badge(service.servers[server].state), ' ', server ]))
			])
		]);
	}
});
