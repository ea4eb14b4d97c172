// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require baseclass';
'require dom';
'require oneip';
'require uci';
'require ui';

/**
 * Orders to the daemon. Each asks first, and says what it will do to connections; that depends on how the service is
 * configured.
 */

/** What becomes of connections that a change finds open. */
function ofOpenConnections(service) {
	if (uci.get('oneip', service, 'on_change') == 'reset')
		return _('The router resets the open connections of clients that move, at their next packet; they connect anew.');

	return _('Open connections stay with the server that they have until they end, for %s at most. None breaks before.')
		.format(uci.get('oneip', service, 'drain_timeout') ?? '1h');
}

/** What becomes of those of a server that fails. */
function ofFailedConnections(service) {
	switch (uci.get('oneip', service, 'on_failure')) {
	case 'reset':
		return _('Its open connections break: the router resets each at its next packet.');
	case 'drop':
		return _('Its open connections break: they hear nothing any more, and time out.');
	default:
		return _('Its open connections break: the next packet of each reaches another server, which resets it.');
	}
}

/** What clients get when nobody is left. */
function ofNobodyLeft(service) {
	if (uci.get('oneip', service, 'all_down') == 'reject')
		return _('No other server is up: clients get an error, and nothing else.');

	return _('No other server is up: packets go on to all servers as if they were up.');
}

function othersAreUp({ servers }, server) {
	return Object.keys(servers).some((name) => name != server && servers[name].state == 'up' && servers[name].weight > 0);
}

/** The services in which a server takes part. */
function servicesOf(status, server) {
	return Object.keys(status.services).filter((service) => status.services[service].servers[server]);
}

/**
 * Asks, and carries out what is confirmed.
 * @param {Object} order
 * @param {string} order.title
 * @param {(string|Node)[]} order.says - paragraphs
 * @param {Node[]} [order.fields]
 * @param {string} order.button
 * @param {boolean} [order.breaks] - it breaks connections
 * @param {string[]} order.services - where the server takes part, the one that is meant first
 * @param {function(?string, boolean): Promise} order.run - gets the service, or null for all, and whether to write it down
 * @param {function(): *} order.done
 */
function ask({ title, says, fields, button, breaks, services, run, done }) {
	const asked = document.activeElement;
	const complaint = E('p', { 'class': 'alert-message warning', 'role': 'alert', 'style': 'display:none' });
	const persist = E('input', { 'type': 'checkbox', 'id': 'oneip-persist' });
	const scope = E('select', {
		'class': 'cbi-input-select',
		'id': 'oneip-scope',
		'change': () => { persist.disabled = (scope.value != ''); }
	}, [
		E('option', { 'value': '' }, [ _('in all its services: %s').format(services.join(', ')) ]),
		E('option', { 'value': services[0] }, [ _('in %s only').format(services[0]) ])
	]);
	const close = () => {
		ui.hideModal();

		if (asked && document.body.contains(asked))
			asked.focus();
	};
	const cancel = E('button', { 'class': 'btn cbi-button', 'click': close }, [ _('Cancel') ]);

	ui.showModal([ title ], [
		...says.map((text) => E('p', {}, [ text ])),
		...(fields ?? []),
		(services.length > 1) ? E('p', {}, [ E('label', { 'for': 'oneip-scope' }, [ _('Where') ]), ' ', scope ]) : '',
		E('p', {}, [
			E('label', { 'for': 'oneip-persist' }, [ persist, ' ', _('Write it to the configuration, too; without, it ends with the next boot of the router.') ])
		]),
		complaint,
		E('div', { 'class': 'right button-row' }, [
			cancel,
			' ',
			E('button', {
				'class': `btn cbi-button important ${breaks ? 'cbi-button-negative' : 'cbi-button-positive'}`,
				'click': ui.createHandlerFn(null, () => {
					const service = (services.length > 1 && scope.value != '') ? scope.value : null;

					return Promise.resolve()
						.then(() => run(service, persist.checked && !persist.disabled))
						.then(close)
						.then(done)
						.catch((error) => {
							dom.content(complaint, [ oneip.explain(error) ]);
							complaint.style.display = '';
						});
				})
			}, [ button ])
		])
	]);
	cancel.focus();
}

/** The arguments that a call gets: what is not meant is left out. */
function target(service) {
	return service ?? undefined;
}

return baseclass.extend({
	/** Takes a server out at once. */
	failover(status, service, server, done) {
		const services = [ service, ...servicesOf(status, server).filter((name) => name != service) ];
		const state = status.services[service];

		ask({
			title: _('Fail over: %s').format(server),
			says: [
				_('%s is taken out at once, as if it had failed.').format(server),
				ofFailedConnections(service),
				othersAreUp(state, server)
					? _('Its clients, %s of all, are spread evenly over the other servers. Clients of these notice nothing.')
						.format(oneip.percent(state.servers[server].share))
					: ofNobodyLeft(service)
			],
			button: _('Fail over'),
			breaks: true,
			services,
			run: (where, persist) => oneip.setServer(server, target(where), 'down', persist),
			done
		});
	},

	/** Keeps new connections from a server. */
	drain(status, service, server, done) {
		const services = [ service, ...servicesOf(status, server).filter((name) => name != service) ];
		const state = status.services[service];

		ask({
			title: _('Drain: %s').format(server),
			says: [
				_('%s gets no new connections any more; they go to the other servers.').format(server),
				othersAreUp(state, server) ? ofOpenConnections(service) : ofNobodyLeft(service),
				_('When it has none left its state is “drained”, and it may be switched off.')
			],
			button: _('Drain'),
			services,
			run: (where, persist) => oneip.setServer(server, target(where), 'drain', persist),
			done
		});
	},

	/** Takes orders back. */
	automatic(status, service, server, done) {
		const services = [ service, ...servicesOf(status, server).filter((name) => name != service) ];

		ask({
			title: _('Back to automatic: %s').format(server),
			says: [
				_('Orders for %s are taken back: the configuration and the watchdogs decide again.').format(server),
				_('If it is well, its clients come back to it.'),
				ofOpenConnections(service)
			],
			button: _('Back to automatic'),
			services,
			run: (where, persist) => oneip.setServer(server, target(where), 'auto', persist),
			done
		});
	},

	/** Gives a server another share. */
	weight(status, service, server, done) {
		const services = [ service, ...servicesOf(status, server).filter((name) => name != service) ];
		const { servers } = status.services[service];
		const input = E('input', {
			'type': 'number',
			'class': 'cbi-input-text',
			'id': 'oneip-weight',
			'aria-describedby': 'oneip-weight-share',
			'min': '0',
			'max': '1000',
			'step': '1',
			'value': String(servers[server].weight),
			'input': () => tell()
		});
		const share = E('span', { 'id': 'oneip-weight-share', 'role': 'status' });
		const isWeight = () => (/^\d+$/.test(input.value) && +input.value <= 1000);
		const tell = () => {
			const others = Object.keys(servers)
				.filter((name) => name != server && servers[name].state == 'up')
				.reduce((sum, name) => sum + servers[name].weight, 0);
			const sum = others + +input.value;

			dom.content(share, [ !isWeight() ? _('A weight is a whole number from 0 to 1000.')
				: (sum == 0) ? _('No server is left that gets clients.')
				: (servers[server].state != 'up') ? _('It gets its share when it is up again.')
				: _('Its share becomes about %s.').format(oneip.percent(input.value / sum)) ]);
		};

		ask({
			title: _('Weight: %s').format(server),
			says: [
				_('A server with twice the weight of another gets twice its clients. Only as many clients move as the new shares need.'),
				ofOpenConnections(service)
			],
			fields: [ E('p', {}, [ E('label', { 'for': 'oneip-weight' }, [ _('Weight') ]), ' ', input, ' ', share ]) ],
			button: _('Set weight'),
			services,
			run: (where, persist) => {
				if (!isWeight())
					throw new Error(_('A weight is a whole number from 0 to 1000.'));

				return oneip.setWeight(server, target(where), +input.value, persist);
			},
			done
		});
		tell();
		input.focus();
		input.select();
	}
});
