// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require baseclass';
'require rpc';

/**
 * What `status` of the ubus object `oneip` tells of a server in a service.
 * @typedef {Object} ServerStatus
 * @property {string} [address]
 * @property {string} [address6]
 * @property {string} state - `up`, `down`, `draining`, `drained` or `disabled`
 * @property {string} decider - who says so
 * @property {string} reason
 * @property {number} since - seconds
 * @property {number} [until] - seconds until an order ends
 * @property {number} weight
 * @property {number} [effective_weight] - what the load makes of it, where that is another
 * @property {number} share - 0–1
 * @property {number} slots
 * @property {?number} packets - null where nobody counts them
 * @property {boolean} added
 * @property {boolean} removing
 * @property {boolean} damped
 * @property {{passed: boolean, reason: string, latency?: number, age: number}} [probe] - times in seconds
 */

/**
 * What it tells of a service.
 * @typedef {Object} ServiceStatus
 * @property {boolean} running
 * @property {string} [inactive] - why it does not run
 * @property {string[]} ghosts
 * @property {string[]} protocols
 * @property {string[]} ports - none: all
 * @property {number} slots
 * @property {{since: number, until: number, slots: number, kept: Object<string, {packets: number, idle: number}>}} [transition]
 * @property {Object<string, ServerStatus>} servers
 */

const SVG = 'http://www.w3.org/2000/svg';

const callStatus = rpc.declare({ object: 'oneip', method: 'status', reject: true });
const callSimulate = rpc.declare({ object: 'oneip', method: 'simulate', params: [ 'client', 'service' ], reject: true });
const callCheck = rpc.declare({ object: 'oneip', method: 'check', params: [ 'config' ], reject: true });

function svg(name, attributes, children) {
	const node = document.createElementNS(SVG, name);

	for (const key in attributes)
		node.setAttribute(key, attributes[key]);

	for (const child of children ?? [])
		node.appendChild(child);

	return node;
}

return baseclass.extend({
	/** Rejects where no daemon is on the bus. */
	status: callStatus,

	/** By what is in force: which server a client gets, by service, and why. */
	simulate: callSimulate,

	/** What is wrong in a configuration, given as UCI text. */
	check: callCheck,

	/** Orders. Each resolves when the kernel holds the change, and rejects where it is refused. */
	setServer: rpc.declare({
		object: 'oneip',
		method: 'set_server',
		params: [ 'server', 'service', 'state', 'persist' ],
		reject: true
	}),

	setWeight: rpc.declare({
		object: 'oneip',
		method: 'set_weight',
		params: [ 'server', 'service', 'weight', 'persist' ],
		reject: true
	}),

	/**
	 * A time in its two largest units.
	 * @param {number} seconds
	 * @returns {string}
	 */
	duration(seconds) {
		const whole = Math.max(0, Math.floor(seconds));
		const minutes = Math.floor(whole / 60);
		const hours = Math.floor(minutes / 60);

		if (hours >= 24)
			return _('%d d %d h').format(Math.floor(hours / 24), hours % 24);

		if (hours > 0)
			return _('%d h %d min').format(hours, minutes % 60);

		if (minutes > 0)
			return _('%d min %d s').format(minutes, whole % 60);

		return _('%d s').format(whole);
	},

	/**
	 * A number with three digits or so.
	 * @param {number} number
	 * @returns {string}
	 */
	quantity(number) {
		const units = [ '', ' k', ' M', ' G' ];
		let unit = 0;

		while (number >= 999.5 && unit < units.length - 1) {
			number /= 1000;
			unit++;
		}

		return (number < 9.95 && number % 1 ? number.toFixed(1) : number.toFixed(0)) + units[unit];
	},

	/**
	 * @param {number} share - 0–1
	 * @returns {string}
	 */
	percent(share) {
		return '%s %%'.format((share * 100).toFixed(1));
	},

	/**
	 * What people call a state.
	 * @param {string} state
	 * @returns {string}
	 */
	stateName(state) {
		switch (state) {
		case 'up': return _('up');
		case 'down': return _('down');
		case 'draining': return _('draining');
		case 'drained': return _('drained');
		case 'disabled': return _('disabled');
		default: return state;
		}
	},

	/**
	 * A state as a label, by colour and by word.
	 * @param {string} state
	 * @returns {HTMLElement}
	 */
	badge(state) {
		const style = { up: 'success', down: 'important', draining: 'warning' }[state] ?? '';

		return E('span', {
			'class': `label ${style}`,
			'style': (state == 'down') ? 'background:#c33;color:#fff;margin-left:0' : 'margin-left:0'
		}, [ this.stateName(state) ]);
	},

	/**
	 * A bar with its value written above it.
	 * @param {number} part - 0–1
	 * @param {string} text
	 * @param {string} label - what it is the bar of
	 * @returns {HTMLElement}
	 */
	bar(part, text, label) {
		const percent = Math.min(100, Math.max(0, part * 100));

		return E('div', {
			'class': 'cbi-progressbar',
			'style': 'min-width:90px',
			'title': text,
			'role': 'meter',
			'aria-label': label,
			'aria-valuemin': '0',
			'aria-valuemax': '100',
			'aria-valuenow': percent.toFixed(1),
			'aria-valuetext': text
		}, E('div', { 'style': `width:${percent.toFixed(2)}%` }));
	},

	/**
	 * A small line of rates, the newest at the right end.
	 * @param {{time: number, rate: number}[]} samples - times in milliseconds
	 * @param {number} now
	 * @param {number} span - milliseconds from the left end to the right one
	 * @param {string} label
	 * @returns {SVGElement}
	 */
	line(samples, now, span, label) {
		const [ width, height ] = [ 120, 24 ];
		const top = Math.max(1, ...samples.map(({ rate }) => rate));
		const points = samples.map(({ time, rate }) => {
			const x = width * (1 - (now - time) / span);
			const y = (height - 2) * (1 - rate / top) + 1;

			return `${x.toFixed(1)},${y.toFixed(1)}`;
		});

		return svg('svg', {
			'viewBox': `0 0 ${width} ${height}`,
			'width': String(width),
			'height': String(height),
			'role': 'img',
			'aria-label': label,
			'style': 'display:block;max-width:100%'
		}, [
			svg('path', { 'd': `M0,${height - .5}H${width}`, 'stroke': 'currentColor', 'stroke-opacity': '.25' }),
			svg('polyline', {
				'points': points.join(' '),
				'fill': 'none',
				'stroke': 'currentColor',
				'stroke-width': '1.5',
				'stroke-linejoin': 'round'
			})
		]);
	},

	/**
	 * Ghost addresses, protocols and ports of a service in one line.
	 * @param {ServiceStatus} service
	 * @returns {string}
	 */
	summary({ ghosts, protocols, ports }) {
		return [ ghosts.join(', '), protocols.join('+'), ports.join(', ') ].filter((part) => part != '').join(' · ');
	},

	/** What `check` says of a configuration. */
	problemList(problems) {
		return E('ul', {}, problems.map(({ section, option, message, accepted }) => E('li', {}, [
			[ section, option ].filter((part) => part).join(', '), (section ? ': ' : ''), message,
			accepted ? '; ' + _('accepted: %s').format(accepted) : ''
		])));
	},

	/**
	 * What an error of a call means to whoever made it.
	 * @param {Error} error
	 * @returns {string}
	 */
	explain(error) {
		const [ , code ] = /ubus code (\d+)/.exec(error.message) ?? [];

		switch (code) {
		case '2': return _('The daemon cannot make sense of this.');
		case '4': return _('The daemon does not know this server or service any more.');
		case '6': return _('The daemon refused; the system log says why.');
		case '7': return _('The daemon did not answer in time.');
		}

		if (/error -32000|error -32601|ubus code 4/.test(error.message))
			return _('The daemon is not running.');

		if (/error -32002|Access denied/.test(error.message))
			return _('Your session may not do this.');

		return error.message;
	}
});
