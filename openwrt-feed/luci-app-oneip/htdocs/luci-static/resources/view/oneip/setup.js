// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require dom';
'require oneip';
'require rpc';
'require view';

/**
 * `oneip setup` with a page in the place of a terminal: the program on the router proposes, judges answers and writes.
 */

const ANSWERS = [ 'device', 'port', 'servers', 'ghost', 'dispatch', 'service', 'replace' ];

const callPropose = rpc.declare({ object: 'oneip.setup', method: 'propose', reject: true });
const callFind = rpc.declare({ object: 'oneip.setup', method: 'find', params: [ 'device', 'port', 'part' ], reject: true });
const callDraft = rpc.declare({ object: 'oneip.setup', method: 'draft', params: ANSWERS, reject: true });
const callWrite = rpc.declare({ object: 'oneip.setup', method: 'write', params: [ ...ANSWERS, 'shown' ], reject: true });
const callScripts = rpc.declare({ object: 'oneip.setup', method: 'scripts', params: [ 'service' ], reject: true });
const callProve = rpc.declare({ object: 'oneip.setup', method: 'prove', params: [ 'service' ], reject: true });

/** What an error of a call means here, where another program answers than the daemon. */
function explain(error) {
	if (/error -32000|error -32601|ubus code 4/.test(error.message))
		return _('The package oneip-tools, which has this assistant, is not installed.');

	if (/ubus code 7|timed out/.test(error.message))
		return _('The router did not answer in time. It may still do what it was asked; the page Status tells.');

	return oneip.explain(error);
}

/** A sentence of the program. */
function sentence(problem) {
	return problem.charAt(0).toUpperCase() + problem.slice(1) + '.';
}

/** A field with its label. */
function field(id, label, node, help) {
	if (help)
		node.setAttribute('aria-describedby', `${id}-help`);

	node.setAttribute('id', id);

	return E('div', { 'class': 'cbi-value' }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ label ]),
		E('div', { 'class': 'cbi-value-field' }, [
			node,
			help ? E('div', { 'class': 'cbi-value-description', 'id': `${id}-help` }, [ help ]) : ''
		])
	]);
}

function textInput(value) {
	return E('input', {
		'type': 'text',
		'class': 'cbi-input-text',
		'style': 'max-width:100%',
		'autocapitalize': 'none',
		'spellcheck': 'false',
		'value': value ?? ''
	});
}

function selection(choices, value) {
	return E('select', { 'class': 'cbi-input-select', 'style': 'max-width:100%' }, choices.map(([ key, text ]) =>
		E('option', { 'value': key, 'selected': (key == value) ? '' : null }, [ text ])));
}

/** Something to tick or to choose, and its label. */
function tick(type, id, name, value, checked, label) {
	const input = E('input', { type, id, name, value, 'checked': checked ? '' : null });

	return { input, node: E('div', { 'style': 'margin:.4em 0' }, [ E('label', { 'for': id }, [ input, ' ', ...label ]) ]) };
}

/** Things to tick or to choose that belong together. */
function group(title, ticks) {
	return E('fieldset', { 'style': 'border:0;padding:0;margin:0' }, [ E('legend', {}, [ title ]), ...ticks.map(({ node }) => node) ]);
}

/** A command for a shell. */
function command(text) {
	return E('div', {}, E('code', { 'style': 'overflow-wrap:anywhere' }, [ text ]));
}

/** A text to be read, and taken along. */
function listing(text, label) {
	return E('textarea', {
		'readonly': '',
		'rows': String(Math.min(24, text.split('\n').length)),
		'wrap': 'off',
		'style': 'width:100%;box-sizing:border-box;font-family:monospace',
		'aria-label': label
	}, [ text ]);
}

/** Without HTTPS a page has no clipboard but this. */
function copy(area) {
	area.focus();
	area.select();

	return document.execCommand('copy');
}

return view.extend({
	load() {
		this.mayWrite = (L.hasViewPermission() !== false);

		return this.mayWrite ? callPropose().catch((error) => ({ error })) : null;
	},

	render(proposal) {
		this.proposal = proposal;
		this.answers = {};
		this.turn = 0;
		this.stage = E('div', { 'class': 'cbi-section' });

		if (!this.mayWrite)
			this.renderEnd(_('Your session may look at the configuration, but not change it.'));
		else if (proposal.error || proposal.problem)
			this.renderEnd(proposal.error ? explain(proposal.error) : sentence(proposal.problem));
		else
			this.askPort();

		return E([], [
			E('h2', { 'name': 'content' }, [ _('Set up a service') ]),
			E('div', { 'class': 'cbi-map-descr' }, [ _('Four questions for whoever has some servers and one address. Nothing is written before you have seen it.') ]),
			this.stage
		]);
	},

	renderEnd(reason) {
		dom.content(this.stage, [
			E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [ reason ]),
			E('p', {}, E('a', { 'href': L.url('admin/services/oneip/config') }, [ _('Configuration') ]))
		]);
	},

	/** Shows a part of the dialogue in the place of the one before. The first button is what Enter does. */
	show(title, nodes, buttons) {
		const turn = ++this.turn;
		const heading = E('h3', { 'tabindex': '-1' }, [ title ]);
		const first = this.stage.firstChild == null;

		this.complaint = E('div', { 'role': 'alert' });

		const run = ({ run: press }, node) => {
			if (turn != this.turn || form.getAttribute('aria-busy') == 'true')
				return;

			form.setAttribute('aria-busy', 'true');
			node?.classList.add('spinning');
			dom.content(this.complaint, null);

			return Promise.resolve()
				.then(press)
				.catch((error) => {
					if (turn != this.turn)
						throw error;

					this.complain(explain(error));
				})
				.finally(() => {
					form.removeAttribute('aria-busy');
					node?.classList.remove('spinning');
				});
		};
		const form = E('form', { 'submit': (ev) => { ev.preventDefault(); return run(buttons[0], ev.submitter); } }, [
			heading,
			...nodes,
			this.complaint,
			E('div', { 'class': 'cbi-section-actions', 'style': 'display:flex;flex-wrap:wrap;gap:6px;margin-top:1em' }, buttons.map((button, index) => E('button', {
				'class': `btn cbi-button ${index ? 'cbi-button-neutral' : 'cbi-button-positive important'}`,
				'type': index ? 'button' : 'submit',
				...(index && { 'click': (ev) => run(button, ev.currentTarget) })
			}, [ button.text ])))
		]);

		dom.content(this.stage, [ form ]);

		/* Whoever hears the page is told where they are; one that has just been opened begins at its head. */
		if (!first)
			heading.focus();

		return turn;
	},

	complain(text, node) {
		dom.content(this.complaint, E('div', { 'class': 'alert-message warning' }, [ text ]));

		if (node) {
			node.setAttribute('aria-invalid', 'true');
			node.classList.add('cbi-input-invalid');
			node.focus();
		}
	},

	/** Waits, and says what for; resolves with the result, or never where somebody has cancelled meanwhile. */
	wait(title, text, buttons, task) {
		const status = E('p', { 'class': 'spinning', 'role': 'status' }, [ text ]);
		const turn = this.show(title, [ status ], buttons);

		return task((progress) => dom.content(status, [ progress ]), () => (turn == this.turn))
			.finally(() => (turn == this.turn) ? null : new Promise(() => {}));
	},

	cancel() {
		return {
			text: _('Cancel'),
			run: () => {
				this.answers = {};
				this.askPort(_('Cancelled. Nothing has been changed.'));
			}
		};
	},

	/** Has the program judge an answer, and goes on to `next` if it is one. */
	take(answers, fields, next) {
		const given = { ...this.answers, ...answers };

		return callDraft(...ANSWERS.map((name) => given[name])).then((reply) => {
			if (reply.problem)
				return this.complain(sentence(reply.problem), fields[reply.question]);

			this.answers = given;

			return next(reply);
		});
	},

	askPort(notice) {
		const { places } = this.proposal;
		const port = textInput(this.answers.port ?? this.proposal.port);
		const device = selection(places.map(({ name, addresses }) => [ name, `${name} (${addresses.join(', ')})` ]),
			this.answers.device ?? this.proposal.device);

		this.show(_('1. What is served?'), [
			notice ? E('div', { 'class': 'alert-message notice', 'role': 'status' }, [ notice ]) : '',
			field('oneip-port', _('Port'), port, _('Several with blanks between them, or 8000-8010; 53/udp, 443/tcp+udp.')),
			field('oneip-device', _('Where the servers live'), device, _('There they are looked for now.'))
		], [ {
			text: _('Find servers'),
			run: () => {
				const answers = { port: port.value, device: device.value };

				/* What depends on them is asked anew. */
				this.answers = {};

				return this.take(answers, { port, device }, () => this.find());
			}
		} ]);
	},

	find() {
		const { device, port } = this.answers;
		const text = (done) => _('Looking for hosts on %s… %d %%').format(device, done);

		return this.wait(_('2. Which are the servers?'), text(0), [ this.cancel() ], (tell, isWanted) => {
			const hosts = new Map();
			const look = (part) => callFind(device, port, part).then((reply) => {
				if (reply.problem)
					throw new Error(sentence(reply.problem));

				reply.hosts.forEach((host) => hosts.set(host.address, host));

				this.asked = reply.asked;

				if (part + 1 >= reply.parts || !isWanted())
					return [ ...hosts.values() ];

				tell(text(100 * (part + 1) / reply.parts));

				return look(part + 1);
			});

			return look(0);
		}).then(
			(hosts) => {
				this.hosts = hosts;
				this.askServers();
			},
			(error) => {
				this.askPort();
				this.complain(explain(error));
			}
		);
	},

	askServers() {
		const { hosts, asked, answers: { device } } = this;
		const before = this.answers.servers?.split(' ');
		const ticks = hosts.map(({ address, name, answers }, index) => ({
			answers,
			...tick('checkbox', `oneip-host-${index}`, 'host', address, before?.includes(address) ?? answers, [ address, name ? ` (${name})` : '' ])
		}));
		const serving = ticks.filter(({ answers }) => answers);
		const silent = ticks.filter(({ answers }) => !answers);
		const others = textInput(before?.filter((word) => !hosts.some(({ address }) => address == word)).join(' '));

		this.show(_('2. Which are the servers?'), [
			group(serving.length
				? _('These accept connections on port %s:').format(asked)
				: asked ? _('On %s no host accepts connections on port %s (%d looked at).').format(device, asked, hosts.length)
				: _('Who serves UDP cannot be seen.'), serving),
			silent.length ? E('details', {}, [
				E('summary', {}, [ _('Other hosts: %d').format(silent.length) ]),
				...silent.map(({ node }) => node)
			]) : '',
			field('oneip-servers', _('Others'), others, _('Addresses, if you like with names: nas=192.168.1.11.'))
		], [
			{
				text: _('Next'),
				run: () => {
					const servers = [ ...ticks.filter(({ input }) => input.checked).map(({ input }) => input.value), others.value ].join(' ').trim();

					return this.take({ servers }, { servers: others }, () => this.askGhost());
				}
			},
			{ text: _('Search again'), run: () => this.find() },
			{ text: _('Back'), run: () => this.askPort() },
			this.cancel()
		]);
	},

	askGhost() {
		const { places, ghost: proposed } = this.proposal;
		const reachable = places.filter(({ addresses }) => addresses.length);
		const before = this.answers.ghost ?? proposed ?? '';
		const isPlace = reachable.some(({ name }) => name == before);
		const place = selection([
			...reachable.map(({ name, addresses }) => [ name, _('the interface %s (%s)').format(name, addresses.join(', ')) ]),
			[ '', _('an address…') ]
		], isPlace ? before : '');
		const addresses = textInput(isPlace ? '' : before);
		const typed = field('oneip-address', _('Addresses'), addresses, _('Of the router, or routed to it; with blanks between them.'));
		const update = () => { typed.style.display = (place.value == '') ? '' : 'none'; };

		place.addEventListener('change', update);
		update();
		this.show(_('3. What do clients connect to?'), [ field('oneip-ghost', _('Address of the service'), place), typed ], [
			{
				text: _('Next'),
				run: () => this.take({ ghost: (place.value == '') ? addresses.value : place.value },
					{ ghost: (place.value == '') ? addresses : place }, () => this.askWay())
			},
			{ text: _('Back'), run: () => this.askServers() },
			this.cancel()
		]);
	},

	askWay() {
		const before = this.answers.dispatch ?? this.proposal.dispatch;
		const ways = [
			[ 'nat', _('Translated (nat)'), _('The router puts the address of a server in the place of its own. Nothing is to be done on the servers.') ],
			[ 'route', _('Direct return (route)'), _('Servers answer clients directly, which is faster. Each of them has to be set up by a script.') ]
		].map(([ way, title, text ]) => tick('radio', `oneip-way-${way}`, 'way', way, way == before, [ E('strong', {}, [ title ]), E('br'), text ]));

		this.show(_('4. How do packets get to the servers?'), [
			group(_('Which of both?'), ways)
		], [
			{
				text: _('Next'),
				run: () => {
					const dispatch = ways.find(({ input }) => input.checked).input.value;

					return this.take({ dispatch }, {}, (draft) => this.propose(draft));
				}
			},
			{ text: _('Back'), run: () => this.askGhost() },
			this.cancel()
		]);
	},

	/** What would be written, and what is wrong with it. */
	propose(draft) {
		const { existing, service, added, problems, ok } = draft;
		const replace = existing ? tick('checkbox', 'oneip-replace', 'replace', '1', service == existing,
			[ _('Replace the service %s, which is there already').format(existing) ]) : null;

		replace?.input.addEventListener('change', () => this.take({ replace: replace.input.checked }, {}, (other) => this.propose(other))
			.catch((error) => this.complain(explain(error))));
		this.show(_('To be written'), [
			listing(added.trim(), _('Sections of the configuration')),
			replace?.node ?? '',
			problems.length ? E('div', { 'class': `alert-message ${ok ? 'warning' : 'danger'}`, 'role': 'status' }, [
				E('h4', {}, [ ok ? _('The daemon warns') : _('The daemon would refuse this configuration') ]),
				oneip.problemList(problems)
			]) : ''
		], [
			...(ok ? [ { text: _('Write it, and put it into force'), run: () => this.write(added) } ] : []),
			{ text: _('Back'), run: () => this.askWay() },
			this.cancel()
		]);
	},

	write(shown) {
		const { answers } = this;
		const isRouted = answers.dispatch == 'route';

		return this.wait(_('To be written'), _('The daemon takes it…'), [], () =>
			callWrite(...ANSWERS.map((name) => answers[name]), shown)
		).then(
			({ service, problem, failure }) => {
				if (problem)
					return this.renderFailure(_('Nothing was written'), sentence(problem));

				if (failure)
					return this.renderFailure(_('Not in force'), sentence(failure));

				return isRouted ? this.showScripts(service) : this.prove(service);
			},
			(error) => this.renderFailure(_('Not known'), explain(error))
		);
	},

	renderFailure(title, text) {
		this.show(title, [ E('div', { 'class': 'alert-message danger', 'role': 'alert' }, [ text ]) ], [
			{ text: _('Begin anew'), run: () => window.location.reload() }
		]);
	},

	/** What each server has to run. */
	showScripts(service) {
		return this.wait(_('Set up the servers'), _('Scripts are made…'), [], () => callScripts(service)).then(({ scripts, problem }) => {
			if (problem)
				return this.renderFailure(_('Set up the servers'), sentence(problem));

			this.show(_('Set up the servers'), [
				E('p', {}, [ _('Each server has to be set up once: save its script there, and run it as root by “sh FILE start”; or let the router do it by the command below it.') ]),
				...scripts.map(({ server, address, script, problem: reason }) => {
					const area = listing(script ?? reason, _('Script for %s').format(server));
					const told = E('span', { 'role': 'status' });

					return E('details', { 'open': (scripts.length < 3) ? '' : null }, [
						E('summary', {}, [ `${server} (${address})` ]),
						area,
						E('div', { 'style': 'display:flex;flex-wrap:wrap;gap:6px;align-items:center' }, [
							E('button', {
								'type': 'button',
								'class': 'btn cbi-button cbi-button-action',
								'aria-label': _('Copy the script for %s').format(server),
								'click': () => dom.content(told, [ copy(area) ? _('Copied.') : _('Copy it by Ctrl+C.') ])
							}, [ _('Copy') ]),
							told
						]),
						command(`oneip server-script ${server} | ssh root@${address} sh -s start`)
					]);
				})
			], [ { text: _('That is done: test it'), run: () => this.prove(service) } ]);
		}, (error) => this.renderFailure(_('Set up the servers'), explain(error)));
	},

	/** Whether it works. */
	prove(service) {
		return this.wait(_('Test'), _('A request is sent, and the doctor looks at the router…'), [], () => callProve(service)).then(
			(proof) => proof.problem ? this.renderFailure(_('Test'), sentence(proof.problem)) : this.showProof(service, proof),
			(error) => this.renderFailure(_('Test'), explain(error))
		);
	},

	showProof(service, { ok, unasked, requests, doctor }) {
		const target = ({ ghost, port, server }) => (ghost.includes(':') ? `[${ghost}]:${port}` : `${ghost}:${port}`) + (server ? ` → ${server}` : '');

		this.show(ok ? _('It works') : _('It does not work yet'), [
			E('div', { 'class': `alert-message ${ok ? 'success' : 'danger'}`, 'role': 'status' }, [ ok
				? _('The service %s is in force.').format(service)
				: _('The service %s is in force, but something is wrong.').format(service) ]),
			E('h4', {}, [ _('Requests through it') ]),
			E('ul', {}, requests.length ? requests.map((request) => E('li', {}, [
				target(request), ': ', request.passed ? request.reason : _('failed, %s').format(request.reason)
			])) : E('li', {}, [ unasked ? _('None: UDP.') : _('None: the service does not run.') ])),
			E('h4', {}, [ _('What the doctor says') ]),
			E('ul', {}, doctor.findings.length ? doctor.findings.map(({ what, command: mend }) => E('li', {}, [ what, mend ? command(mend) : '' ])) : E('li', {}, [ _('Nothing is wrong.') ]))
		], [
			{ text: _('Status'), run: () => { window.location.href = L.url('admin/services/oneip/status'); } },
			{ text: _('Test again'), run: () => this.prove(service) }
		]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
