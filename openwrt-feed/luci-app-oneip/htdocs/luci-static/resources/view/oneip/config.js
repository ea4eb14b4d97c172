// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require dom';
'require form';
'require oneip';
'require oneip.values as values';
'require rpc';
'require uci';
'require ui';
'require view';

const callDevices = rpc.declare({ object: 'luci-rpc', method: 'getNetworkDevices', expect: { '': {} } });
const callInterfaces = rpc.declare({ object: 'network.interface', method: 'dump', expect: { 'interface': [] } });

/** Types of watchdogs that ask, rather than wait to be told. */
const ASKING = [ 'ping', 'arp', 'tcp', 'http', 'script', 'report' ];

/** Services whose connections the router places one by one. */
const PLACED = [ 'round_robin', 'random', 'least' ].map((scheduler) => ({ dispatch: 'route', scheduler }));
const HASHED = [ { dispatch: 'route', scheduler: 'hash' }, { dispatch: 'nat', scheduler: 'hash' }, { dispatch: 'broadcast' }, { dispatch: 'multicast' } ];

/** What the daemon takes for a truth value. */
const TRUTHS = { 1: '1', on: '1', true: '1', yes: '1', enabled: '1', 0: '0', off: '0', false: '0', no: '0', disabled: '0' };

/**
 * A form whose sections are checked by the daemon whenever they have been loaded, that is, after each change.
 */
const CheckedMap = form.Map.extend({
	load(...args) {
		return this.super('load', args).then((result) => {
			this.onload?.();

			return result;
		});
	}
});

/** A selection that leaves out of the file what holds without it. */
const Choice = form.ListValue.extend({
	write(section_id, value) {
		if (value == this.default && this.cfgvalue(section_id) == null)
			return;

		return this.super('write', [ section_id, value ]);
	}
});

/** A switch that reads all words that the daemon takes. */
const Switch = form.Flag.extend({
	load(section_id) {
		const value = uci.get('oneip', section_id, this.option);

		return TRUTHS[value] ?? value;
	}
});

/** Protocols: one word, however the file has it. */
const Protocols = Choice.extend({
	load(section_id) {
		const words = L.toArray(uci.get('oneip', section_id, this.option)).flatMap((word) => word.split('+'));

		return words.length ? [ 'tcp', 'udp', 'all' ].filter((word) => words.includes(word)).join('+') : null;
	}
});

/** A check as forms want it; nothing at all is left to whether the option is required. */
function checking(check) {
	return (section_id, value) => (value == null || value === '') || check(value);
}

/** A text; the table shows what holds without it. */
const Text = form.Value.extend({
	textvalue(section_id) {
		const value = this.cfgvalue(section_id) ?? null;

		if (value == null)
			return this.placeholder ? E('em', {}, [ this.placeholder ]) : this.super('textvalue', [ section_id ]);

		return E('span', {}, [ value ]);
	}
});

/** Names of the sections of a type; one that is referred to and does not exist is among them, so that it can be taken out. */
const Names = form.MultiValue.extend({
	load(section_id) {
		const known = uci.sections('oneip', this.option).map((section) => section['.name']);

		this.keylist = [];
		this.vallist = [];
		new Set([ ...known, ...L.toArray(uci.get('oneip', section_id, this.option)) ]).forEach((name) => this.value(name));

		return this.super('load', [ section_id ]);
	},

	textvalue(section_id) {
		const names = L.toArray(this.cfgvalue(section_id));

		return names.length ? E('span', {}, [ names.join(', ') ]) : E('em', {}, [ this.nothing ]);
	}
});

return view.extend({
	load() {
		return Promise.all([
			L.resolveDefault(callDevices(), {}),
			L.resolveDefault(callInterfaces(), []),
			uci.load('oneip').then(() => {
				/* A file without it has the defaults; it gets the section with the first change. */
				if (uci.get('oneip', 'globals') == null)
					uci.add('oneip', 'globals', 'globals');
			})
		]);
	},

	render([ devices, interfaces ]) {
		const map = new CheckedMap('oneip', 'oneip', _('One address, several servers. A service is a ghost address with ports; a server says in which services it takes part; a watchdog asks whether servers are well.'));
		const places = [ ...new Set([
			...interfaces.map((entry) => entry.interface),
			...Object.keys(devices).sort()
		]) ].filter((name) => values.device(name) === true && name != 'loopback');

		this.verdict = E('div', { 'role': 'status', 'aria-label': _('Verdict of the daemon') });
		map.onload = () => this.check();
		this.map = map;

		this.addGlobals(map);
		this.addServices(map, places);
		this.addServers(map);
		this.addWatchdogs(map);

		return map.render().then((node) => E([], [ this.verdict, node ]));
	},

	/** Asks the daemon about what is in the forms; resolves to its problems, or to null where it cannot be asked. */
	check() {
		const text = values.configurationText(uci.sections('oneip'));

		return oneip.check(text).then(
			({ problems }) => {
				this.tell(problems);

				return problems;
			},
			(error) => {
				dom.content(this.verdict, E('div', { 'class': 'alert-message notice' }, [
					oneip.explain(error), ' ', _('So what belongs together is not checked here; “oneip check” does it on the router.')
				]));

				return null;
			}
		);
	},

	tell(problems) {
		const list = (severity, title, style) => {
			const found = problems.filter((problem) => problem.severity == severity);

			return found.length ? E('div', { 'class': `alert-message ${style}` }, [
				E('h4', {}, [ title ]),
				oneip.problemList(found)
			]) : '';
		};

		dom.content(this.verdict, [
			list('error', _('The daemon would refuse this configuration'), 'danger'),
			list('warning', _('The daemon warns'), 'warning')
		]);
	},

	handleSaveApply(ev, mode) {
		return this.handleSave(ev).then(() => this.check()).then((problems) => {
			if (!problems?.some(({ severity }) => severity == 'error'))
				return ui.changes.apply(mode == '0');

			ui.showModal([ _('Not applied') ], [
				E('p', {}, [ _('The daemon would refuse this configuration and go on with the one in force. Your changes are saved, and wait until what is wrong is put right.') ]),
				this.verdict.cloneNode(true),
				E('div', { 'class': 'right button-row' }, E('button', { 'class': 'btn cbi-button important', 'click': ui.hideModal }, [ _('Back') ]))
			]);
		});
	},

	addGlobals(map) {
		const section = map.section(form.NamedSection, 'globals', 'globals', _('Everything'));

		section.tab('general', _('General'));
		section.tab('advanced', _('Advanced'));
		this.add(section, 'general', Switch, 'enabled', _('Enabled'), _('Switches all services on or off.'), { default: '1' });
		this.add(section, 'advanced', Text, 'mark_base', _('First firewall mark'), _('Change it where another program uses the same marks.'),
			{ placeholder: '0x6f690000', check: values.integer(65536, 4294901760) });
		this.add(section, 'advanced', Text, 'table_base', _('First routing table'), null,
			{ placeholder: '28416', check: values.integer(256, 4294901760) });
		this.add(section, 'advanced', Text, 'rule_priority', _('Preference of routing rules'), _('It must come before those of mwan3 and pbr.'),
			{ placeholder: '900', check: values.integer(1, 32765) });
		this.add(section, 'advanced', Text, 'key', _('Key of the channel to the servers'), _('A secret of 16 to 128 characters, the same on all of them.'),
			{ password: true, check: values.secret });
		this.add(section, 'advanced', Text, 'channel_port', _('Port of the channel to the servers'), null,
			{ placeholder: '28521', check: values.integer(1, 65535) });
		this.add(section, 'advanced', Text, 'load_script', _("Program for the servers' load"), _('Servers run it and report the number that it prints.'),
			{ check: values.absolutePath });
		this.add(section, 'advanced', Text, 'load_interval', _('Interval of that program'), null,
			{ placeholder: '10s', check: values.duration('1s', '1h') });
		this.add(section, 'advanced', Switch, 'bridge_bypass', _('Leave bridges by their ports'), _('Switch it off where frames are filtered or shaped on the bridge.'), { default: '1' });
	},

	addServices(map, places) {
		const section = this.addGrid(map, 'service', _('Services'), _('What clients connect to.'), _('Service: %s'), _('Name of a new service'));

		section.tab('general', _('General'));
		section.tab('clients', _('Clients'));
		section.tab('changes', _('Changes and failures'));
		section.tab('advanced', _('Advanced'));

		this.add(section, 'general', Switch, 'enabled', _('Enabled'), null, { default: '1', editable: true, modalonly: null });
		this.add(section, 'general', form.DynamicList, 'ghost', _('Ghost addresses'), _('What clients connect to, and what every server carries as a second address on its loopback device.'),
			{ check: values.address, modalonly: null });
		this.add(section, 'general', Protocols, 'proto', _('Protocol'), null,
			{ default: 'tcp', modalonly: null, choices: [ [ 'tcp', 'TCP' ], [ 'udp', 'UDP' ], [ 'tcp+udp', 'TCP+UDP' ], [ 'all', _('everything') ] ] });
		this.add(section, 'general', form.DynamicList, 'port', _('Ports'), _('Ports or ranges; none: all. A service on the router\'s own address must name some.'),
			{ check: values.portRange, modalonly: null, depends: [ { proto: 'tcp' }, { proto: 'udp' }, { proto: 'tcp+udp' } ] });
		this.add(section, 'general', Text, 'device', _('Where the servers live'), _('A device or a logical interface.'),
			{ placeholder: 'br-lan', check: values.device, choices: places });
		this.add(section, 'clients', form.DynamicList, 'source', _('Where clients arrive'), _('Devices or logical interfaces; none: wan. Name the LAN too if its clients are to be served.'),
			{ check: values.device, choices: places });
		this.add(section, 'clients', Choice, 'hash', _('What picks the server'), null,
			{ default: 'source', choices: [ [ 'source', _('address of the client: it keeps to one server') ], [ 'source_port', _('address and ports: its connections spread') ] ] });
		this.add(section, 'clients', form.DynamicList, 'allow', _('Clients that may use it'), _('None: everybody.'), { check: values.prefix });
		this.add(section, 'clients', form.DynamicList, 'deny', _('Clients that may not'), _('Even if they are among those that may.'), { check: values.prefix });
		this.add(section, 'changes', Choice, 'on_change', _('Open connections in a change'), _('When a server is added, drained, reweighted or comes back.'),
			{ default: 'keep', choices: [ [ 'keep', _('stay with the server that they have') ], [ 'reset', _('are reset by the router') ] ] });
		this.add(section, 'changes', Choice, 'on_failure', _('Connections of a failed server'), null,
			{ default: 'pass', choices: [ [ 'pass', _('are reset by another server') ], [ 'reset', _('are reset by the router') ], [ 'drop', _('hear nothing') ] ] });
		this.add(section, 'changes', Choice, 'all_down', _('While no server is up'), null,
			{ default: 'keep', choices: [ [ 'keep', _('packets go to all servers as if they were up') ], [ 'reject', _('clients get an error') ] ] });
		this.add(section, 'changes', Switch, 'adapt', _('Shares follow the load'), _('Slowly, around what the weights say, and without breaking a connection.'),
			{ default: '0', depends: HASHED });
		this.add(section, 'changes', Text, 'drain_timeout', _('Longest time of a change'), _('What still is open then is broken.'),
			{ placeholder: '1h', check: values.duration('1s', '30d') });
		this.add(section, 'changes', Text, 'idle_timeout', _('Silence that ends a change'), _('A server that got no packet of an old connection for that long has none left.'),
			{ placeholder: '5m', check: values.duration('1s', '1d') });
		this.add(section, 'changes', Text, 'learn_time', _('Time to learn UDP flows'), _('How long after a change unknown flows are taken for old ones.'),
			{ placeholder: '30s', check: values.duration('0s', '1h') });
		this.add(section, 'advanced', Text, 'hash_prefix6', _('Hashed bits of IPv6 clients'), _('64 takes a household for one client.'),
			{ placeholder: '64', check: values.integer(32, 128, 8) });
		this.add(section, 'advanced', Choice, 'slots', _('Entries of the table'), _('More make finer shares; fewer load faster.'),
			{ default: '4096', choices: [ '256', '512', '1024', '2048', '4096' ] });
		this.add(section, 'advanced', Text, 'seed', _('Seed of the hash'), _('None: made of the name, so that all routers agree.'),
			{ check: values.integer(0, 4294967295) });
		this.add(section, 'advanced', Choice, 'dispatch', _('Way to the servers'), _('Servers that get everything need the filter for it.'),
			{ default: 'route', choices: [ [ 'route', _('each packet to one server') ], [ 'broadcast', _('all packets to all servers') ], [ 'multicast', _('all packets to the group of the servers') ],
				[ 'nat', _('each connection to one server, with its address in the place of the ghost address') ] ] });
		this.add(section, 'advanced', Choice, 'scheduler', _('Who gets a new connection'), _('By the weights in any case.'),
			{ default: 'hash', depends: [ { dispatch: 'route' }, { dispatch: 'nat' } ], choices: [ [ 'hash', _('the server of the client') ], [ 'round_robin', _('each server in turn') ], [ 'random', _('a server by chance') ], [ 'least', _('a server by chance, rather one with few connections for its weight') ] ] });
		this.add(section, 'advanced', Text, 'flow_limit', _('Remembered connections'), _('Of each family. Further ones go to the server of the client.'),
			{ placeholder: '65535', check: values.integer(256, 1048576), depends: PLACED });
		this.add(section, 'advanced', Text, 'flow_timeout', _('Longest silence of a remembered connection'), _('After that it is forgotten.'),
			{ placeholder: '2h', check: values.duration('1m', '30d'), depends: PLACED });
		this.add(section, 'advanced', Switch, 'masquerade', _('Masquerade'), _('Servers see the router in the place of clients: for servers whose way back does not lead through it.'),
			{ default: '0', depends: [ { dispatch: 'nat' } ] });
		this.add(section, 'advanced', form.DynamicList, 'ghost_interface', _('Interfaces of the ghost address'), _('Logical interfaces or devices of the router whose addresses are ghost addresses, whichever they have.'),
			{ check: values.device, choices: places, depends: [ { dispatch: 'nat' } ] });
		this.add(section, 'advanced', form.DynamicList, 'ghost2', _('Second ghost addresses'), _('To which the router sends what is for all servers, one a family. None: chosen.'),
			{ check: values.address, depends: [ { dispatch: 'broadcast' }, { dispatch: 'multicast' } ] });
		this.add(section, 'advanced', Switch, 'second_chance', _('Second chance'), _('A server asks the others about connections that it does not know. Needs oneip on the servers.'),
			{ default: '0', depends: [ { dispatch: 'route' } ] });
	},

	addServers(map) {
		const section = this.addGrid(map, 'server', _('Servers'), _('Who answers. Each carries the ghost addresses of its services on its loopback device, and answers neither ARP nor neighbour solicitations for them.'), _('Server: %s'), _('Name of a new server'));

		this.add(section, null, Switch, 'enabled', _('Enabled'), _('Switched off, its clients go to the others, and come back with it.'),
			{ default: '1', editable: true, modalonly: null });
		this.add(section, null, Names, 'service', _('Services'), _('In which it takes part.'), { nothing: _('none'), modalonly: null });
		this.add(section, null, Text, 'address', _('IPv4 address'), _('Its own address, no ghost address.'), { check: values.address4, modalonly: null });
		this.add(section, null, Text, 'address6', _('IPv6 address'), _('Its own address, neither a ghost address nor a link-local one.'), { check: values.address6, modalonly: null });
		this.add(section, null, Text, 'weight', _('Weight'), _('Its share relative to the others: 200 gets twice what 100 gets, 0 nothing.'),
			{ placeholder: '100', check: values.integer(0, 1000), modalonly: null });
		this.add(section, null, Text, 'port', _('Port'), _('On which it serves where the router puts its address in the place of the ghost address, if not the port of the service.'),
			{ check: values.integer(1, 65535) });
	},

	addWatchdogs(map) {
		const section = this.addGrid(map, 'watchdog', _('Watchdogs'), _('They ask servers whether they are well, at the ghost address, the way that clients\' packets go.'), _('Watchdog: %s'), _('Name of a new watchdog'));
		const of = (...types) => types.map((type) => ({ type }));

		section.tab('general', _('General'));
		section.tab('question', _('Question'));
		section.tab('judgement', _('Judgement'));

		this.add(section, 'general', Switch, 'enabled', _('Enabled'), null, { default: '1', editable: true, modalonly: null });
		this.add(section, 'general', form.ListValue, 'type', _('How they are asked'), null, { rmempty: false, modalonly: null, choices: [
			[ 'ping', _('ping: for an ICMP echo') ],
			[ 'arp', _('arp: for the address of their network card') ],
			[ 'tcp', _('tcp: for a connection') ],
			[ 'http', _('http: for a page') ],
			[ 'script', _('script: by a program') ],
			[ 'report', _('report: the server itself tells') ],
			[ 'ubus', _('ubus: not at all; programs tell') ]
		] });
		this.add(section, 'general', Names, 'service', _('Services'), _('None: all.'), { nothing: _('all'), modalonly: null });
		this.add(section, 'general', Names, 'server', _('Servers'), _('None: all servers of the services.'), { nothing: _('all') });
		this.add(section, 'general', Text, 'interval', _('Interval'), _('From one probe of a server to the next.'),
			{ placeholder: '1s', check: values.duration('50ms', '1h'), modalonly: null, depends: of(...ASKING) });
		this.add(section, 'question', Text, 'port', _('Port'), _('None: the first TCP port of the service.'), { check: values.integer(1, 65535), depends: of('tcp', 'http') });
		this.add(section, 'question', Text, 'path', _('Path'), null, { placeholder: '/', check: values.urlPath, depends: of('http') });
		this.add(section, 'question', Text, 'host', _('Host'), _('Content of the Host header; none: the ghost address.'), { check: values.host, depends: of('http') });
		this.add(section, 'question', form.DynamicList, 'status', _('Status codes'), _('That are accepted; none: 200-399.'), { check: values.statusRange, depends: of('http') });
		this.add(section, 'question', Text, 'header', _('Header'), _('That the answer must have, and a text that must be in it.'), { check: values.headerField, depends: of('http') });
		this.add(section, 'question', Text, 'body', _('Text of the page'), _('That must be in its first 64 KiB.'), { depends: of('http') });
		this.add(section, 'question', Text, 'script', _('Program'), _('Exit status 0 says that the server is well.'), { rmempty: false, check: values.absolutePath, depends: of('script') });
		this.add(section, 'question', Text, 'timeout', _('Time-out'), _('A probe that has no answer by then has failed.'),
			{ placeholder: '1s', check: values.duration('50ms', '1m'), depends: of(...ASKING) });
		this.add(section, 'judgement', Text, 'rise', _('Successes until up'), null, { placeholder: '2', check: values.integer(1, 100), depends: of(...ASKING) });
		this.add(section, 'judgement', Text, 'fall', _('Failures until down'), null, { placeholder: '3', check: values.integer(1, 100), depends: of(...ASKING) });
		this.add(section, 'judgement', Text, 'ttl', _('Time that a report holds'), null, { placeholder: '60s', check: values.duration('1s', '1d'), depends: of('ubus') });
		this.add(section, 'judgement', Text, 'half_life', _('Half-life of damping'), _('For servers that come and go; 0: no damping.'), { placeholder: '30s', check: values.duration('0s', '1h') });
	},

	/** A table of the sections of a type, each edited in a dialogue. */
	addGrid(map, type, title, description, modaltitle, label) {
		const section = map.section(form.GridSection, type, title, description);

		section.addremove = true;
		section.nodescriptions = true;
		section.modaltitle = (section_id) => modaltitle.format(section_id);

		/* One name belongs to one section, whatever its type. */
		const check = (name) => (name !== '' && uci.get('oneip', name) != null)
			? _('There is a section with this name.') : values.name(name);

		section.handleAdd = function(ev, name) {
			return (check(name) === true) ? form.GridSection.prototype.handleAdd.call(this, ev, name) : null;
		};

		section.renderSectionAdd = function(...args) {
			const node = form.GridSection.prototype.renderSectionAdd.apply(this, args);
			const input = node.querySelector('.cbi-section-create-name');

			if (input && !this.map.readonly) {
				input.setAttribute('aria-label', label);
				input.setAttribute('placeholder', label);
				ui.addValidator(input, 'string', true, (name) => (name === '') ? true : check(name), 'blur', 'keyup');
			}

			return node;
		};

		return section;
	},

	/**
	 * Adds an option to a section.
	 * @param {Object} settings - properties of the option; besides, `check` for its values, `choices`, and `depends`
	 */
	add(section, tab, type, name, title, description, { check, choices, depends, ...settings }) {
		const option = (tab == null)
			? section.option(type, name, title, description)
			: section.taboption(tab, type, name, title, description);

		Object.assign(option, { modalonly: true, ...settings });

		if (check)
			option.validate = checking(check);

		for (const choice of choices ?? [])
			option.value(...[ choice ].flat());

		for (const dependency of depends ?? [])
			option.depends(dependency);

		return option;
	}
});
