// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require dom';
'require oneip';
'require oneip.history as history';
'require oneip.orders as orders';
'require poll';
'require uci';
'require view';

/** Seconds between two looks. */
const INTERVAL = 3;

const COLUMNS = [
	[ 'server', _('Server') ],
	[ 'state', _('State') ],
	[ 'share', _('Share') ],
	[ 'traffic', _('Traffic') ],
	[ 'probe', _('Probe') ]
];

/** What an event is called. */
function eventText({ action, service, server, text }) {
	const who = [ service, server ].filter((name) => name != null).join('/');

	switch (action) {
	case 'start': return _('The daemon has started.');
	case 'failing': return _('The kernel does not hold what it should: %s').format(text);
	case 'running': return _('%s runs.').format(who);
	case 'inactive': return _('%s does not run: %s').format(who, text);
	case 'added': return _('%s has been added.').format(who);
	case 'removed': return _('%s has been removed.').format(who);
	case 'transition': return _('%s: no old connections are kept any more.').format(who);
	case 'weight': return _('%s: weight %s').format(who, text);
	default: return '%s: %s'.format(who, [ oneip.stateName(action), text ].filter((part) => part).join(' – '));
	}
}

function clock(time) {
	return new Date(time).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' });
}

return view.extend({
	load() {
		return Promise.all([
			L.resolveDefault(oneip.status(), null),
			L.resolveDefault(uci.load('oneip'), null)
		]);
	},

	render([ status ]) {
		this.history = history.open(window.sessionStorage);
		this.mayOrder = (L.hasViewPermission() !== false);
		this.notice = E('div', { 'role': 'alert' });
		this.services = E('div');
		this.list = E('ul', { 'role': 'log', 'aria-label': _('Events'), 'style': 'max-height:18em;overflow:auto' });
		this.history.events.forEach((event) => this.addEvent(event));

		if (status)
			this.show(status);
		else
			this.lose(new Error('error -32000'));

		poll.add(() => this.look(), INTERVAL);

		return E([], [
			E('h2', { 'name': 'content' }, [ 'oneip' ]),
			E('div', { 'class': 'cbi-map-descr' }, [ _('Services with one address and several servers: who serves now, since when, with which share.') ]),
			this.notice,
			this.services,
			this.renderSimulation(),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Events') ]),
				E('div', { 'class': 'cbi-section-descr' }, [ _('What this page has noticed, looking every %d seconds while it was open. The system log has everything.').format(INTERVAL) ]),
				this.list
			])
		]);
	},

	look() {
		return oneip.status().then((status) => this.show(status), (error) => this.lose(error));
	},

	lose(error) {
		dom.content(this.notice, E('div', { 'class': 'alert-message warning' }, [
			E('h4', {}, [ oneip.explain(error) ]),
			E('p', {}, [ _('What is below, if anything, is how it was last seen. Packets go on as the kernel was told last.') ])
		]));
	},

	show(status) {
		const now = Date.now();
		const shape = JSON.stringify(Object.entries(status.services).map(([ name, { servers } ]) => [ name, Object.keys(servers) ]));

		this.history.take(status, now).forEach((event) => this.addEvent(event));
		this.status = status;

		if (shape != this.shape) {
			this.shape = shape;
			this.parts = Object.keys(status.services).map((service) => this.renderService(service));
			dom.content(this.services, this.parts.length ? this.parts.map(({ node }) => node) : E('p', {}, [
				_('No services are configured.'),
				' ',
				E('a', { 'class': 'btn cbi-button cbi-button-positive', 'href': L.url('admin/services/oneip/setup') }, [ _('Set up a service') ]),
				' ',
				E('a', { 'href': L.url('admin/services/oneip/config') }, [ _('Configuration') ])
			]));
		}

		dom.content(this.notice, status.failing ? E('div', { 'class': 'alert-message warning' }, [
			E('h4', {}, [ _('The kernel does not hold what it should') ]),
			E('p', {}, [ status.failing ])
		]) : null);
		this.parts.forEach(({ update }) => update(now));
	},

	addEvent(event) {
		const node = E('li', {}, [ E('time', {}, [ clock(event.time) ]), ' ', eventText(event) ]);

		this.list.insertBefore(node, this.list.firstChild);
	},

	/** Everything of a service; `update` brings it up to date without touching what may have the focus. */
	renderService(service) {
		const state = this.status.services[service];
		const summary = E('div', { 'class': 'cbi-section-descr' });
		const transition = E('div');
		const rows = Object.keys(state.servers).map((server) => this.renderServer(service, server));
		const table = E('table', { 'class': 'table cbi-section-table', 'aria-label': _('Servers of %s').format(service) }, [
			E('tr', { 'class': 'tr table-titles' }, [
				...COLUMNS.map(([ , title ]) => E('th', { 'class': 'th', 'scope': 'col' }, [ title ])),
				this.mayOrder ? E('th', { 'class': 'th cbi-section-actions', 'scope': 'col', 'aria-label': _('Orders') }) : ''
			]),
			...rows.map(({ node }) => node)
		]);

		return {
			node: E('div', { 'class': 'cbi-section', 'data-service': service }, [ E('h3', {}, [ service ]), summary, transition, table ]),
			update: (now) => {
				const is = this.status.services[service];

				dom.content(summary, [
					oneip.summary(is),
					is.running ? '' : E('div', { 'class': 'alert-message warning' }, [ _('Does not run: %s').format(is.inactive) ])
				]);
				dom.content(transition, is.transition ? this.renderTransition(is) : null);
				rows.forEach(({ update }) => update(now));
			}
		};
	},

	renderTransition({ transition, slots }) {
		const { since, until, kept } = transition;
		const text = _('A change is under way: %d slots (%s) keep their old connections.')
			.format(transition.slots, oneip.percent(transition.slots / slots));
		const time = _('%s of %s at most').format(oneip.duration(since), oneip.duration(since + until));

		return [
			E('p', { 'style': 'margin-bottom:0' }, [ text ]),
			E('div', { 'style': 'max-width:30em' }, oneip.bar(since / Math.max(1, since + until), time, _('Time of the change'))),
			E('ul', {}, Object.keys(kept).map((server) => E('li', {}, [ _('%s had %s packets of old connections, the last %s ago')
				.format(server, oneip.quantity(kept[server].packets), oneip.duration(kept[server].idle)) ])))
		];
	},

	renderServer(service, server) {
		const cells = {};

		for (const [ name, title ] of COLUMNS)
			cells[name] = E((name == 'server') ? 'th' : 'td', {
				'class': 'td left',
				'data-title': title,
				'data-name': name,
				...((name == 'server') && { 'scope': 'row' })
			});

		return {
			node: E('tr', { 'class': 'tr cbi-section-table-row', 'data-server': server }, [
				...COLUMNS.map(([ name ]) => cells[name]),
				this.mayOrder ? E('td', { 'class': 'td cbi-section-actions' }, E('div', { 'style': 'display:grid;grid-template-columns:1fr 1fr;gap:3px' }, this.renderButtons(service, server))) : ''
			]),
			update: (now) => {
				const is = this.status.services[service].servers[server];
				const rates = this.history.rates(service, server);

				dom.content(cells.server, [
					E('strong', {}, [ server ]),
					...[ is.address, is.address6 ].filter((address) => address).map((address) => E('div', { 'style': 'font-weight:normal' }, [ address ]))
				]);
				dom.content(cells.state, this.renderState(is));
				dom.content(cells.share, [
					oneip.bar(is.share, oneip.percent(is.share), _('Share of %s').format(server)),
					E('small', {}, [ is.effective_weight == null ? _('weight %d').format(is.weight)
						: _('weight %d, by the load %s').format(is.weight, is.effective_weight) ])
				]);
				dom.content(cells.traffic, this.renderTraffic(server, is.packets, rates, now));
				dom.content(cells.probe, this.renderProbe(is.probe));
			}
		};
	},

	renderState({ state, since, until, reason, damped, added, removing }) {
		const notes = [
			reason,
			until != null ? _('ends in %s').format(oneip.duration(until)) : null,
			damped ? _('damped: it has come and gone too often') : null,
			added ? _('added at run time') : null,
			removing ? _('is being removed') : null
		].filter((note) => note);

		return [
			oneip.badge(state),
			' ',
			_('since %s').format(oneip.duration(since)),
			E('div', {}, E('small', {}, [ notes.join('; ') ]))
		];
	},

	renderTraffic(server, packets, rates, now) {
		const current = rates[rates.length - 1];
		const highest = Math.max(0, ...rates.map(({ rate }) => rate));

		/* Where all servers get all packets, nobody counts them. */
		if (packets == null)
			return '-';

		if (!current)
			return E('small', {}, [ _('being measured…') ]);

		return [
			_('%s packets/s').format(oneip.quantity(current.rate)),
			oneip.line(rates, now, history.SPAN, _('Packets per second of %s in the last %d minutes, %s at most')
				.format(server, history.SPAN / 60000, oneip.quantity(highest)))
		];
	},

	renderProbe(probe) {
		if (!probe)
			return E('small', {}, [ _('not watched') ]);

		return [
			probe.latency != null ? _('%s ms').format((probe.latency * 1000).toFixed(2)) : (probe.passed ? _('passed') : _('failed')),
			E('div', {}, E('small', {}, [ probe.reason ]))
		];
	},

	renderButtons(service, server) {
		const button = (style, text, label, order) => E('button', {
			'class': `btn cbi-button cbi-button-${style}`,
			'aria-label': label.format(server),
			'click': () => orders[order](this.status, service, server, () => this.look())
		}, [ text ]);

		return [
			button('negative', _('Fail over'), _('Fail over: %s'), 'failover'),
			button('action', _('Drain'), _('Drain: %s'), 'drain'),
			button('neutral', _('Automatic'), _('Back to automatic: %s'), 'automatic'),
			button('neutral', _('Weight'), _('Weight: %s'), 'weight')
		];
	},

	renderSimulation() {
		const result = E('div', { 'role': 'status' });
		const input = E('input', {
			'type': 'text',
			'class': 'cbi-input-text',
			'id': 'oneip-client',
			'placeholder': '203.0.113.7',
			'aria-describedby': 'oneip-client-help',
			'autocapitalize': 'none',
			'spellcheck': 'false'
		});
		const run = () => {
			const client = input.value.trim();

			if (client == '')
				return dom.content(result, E('em', {}, [ _('Which client?') ]));

			return oneip.simulate(client).then(
				(reply) => dom.content(result, this.renderChoices(reply.services)),
				(error) => dom.content(result, E('em', {}, [ /ubus code 2/.test(error.message)
					? _('This is no address of a client.') : oneip.explain(error) ]))
			);
		};

		return E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Where does this client go?') ]),
			E('form', { 'submit': (ev) => { ev.preventDefault(); return run(); } }, [
				E('label', { 'for': 'oneip-client' }, [ _('Client') ]),
				' ',
				input,
				' ',
				E('button', { 'class': 'btn cbi-button cbi-button-action', 'type': 'submit' }, [ _('Ask') ])
			]),
			E('div', { 'class': 'cbi-section-descr', 'id': 'oneip-client-help' }, [ _('An IPv4 or IPv6 address, or ADDRESS:PORT where the port of the client counts.') ]),
			result
		]);
	},

	renderChoices(services) {
		return E('dl', {}, Object.keys(services).map((service) => {
			const { server, slot, why } = services[service];

			return E([], [
				E('dt', {}, [
					service, ': ',
					E('strong', {}, [ server ?? _('nobody') ]),
					slot != null ? ' ' + _('(slot %d)').format(slot) : ''
				]),
				...why.map((step) => E('dd', {}, [ step ]))
			]);
		}));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
