// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require baseclass';

/**
 * What has happened, found by comparing one look at the daemon with the next: events cannot be had over HTTP. The time of a
 * change of state is exact to a second, since the daemon says how long a state holds; what came and went between two looks
 * shows as one change.
 */

const KEY = 'oneip.history';
/** Milliseconds of rates that are kept. */
const SPAN = 240000;
/** Milliseconds between two looks beyond which a rate would be no more than an average of what nobody saw. */
const GAP = 20000;
const LONGEST = 100;

/** @typedef {{time: number, action: string, service?: string, server?: string, text?: string}} Event */

class History {
	/** @param {Storage} storage - what outlives a change of pages */
	constructor(storage) {
		this.storage = storage;

		try {
			const kept = JSON.parse(storage.getItem(KEY) ?? '{}');

			this.events = kept.events ?? [];
			this.samples = kept.samples ?? {};
			this.last = kept.last ?? null;
		}
		catch (e) {
			this.events = [];
			this.samples = {};
			this.last = null;
		}
	}

	/**
	 * Takes a look.
	 * @param {Object} status - what the daemon answers
	 * @param {number} now - milliseconds
	 * @returns {Event[]} what is new, oldest first
	 */
	take(status, now) {
		const { last } = this;
		const restarted = last != null && status.uptime + 2 < last.status.uptime + (now - last.time) / 1000;
		const fresh = [];

		if (restarted)
			fresh.push({ time: now - status.uptime * 1000, action: 'start' });

		if (status.failing && status.failing != last?.status.failing)
			fresh.push({ time: now, action: 'failing', text: status.failing });

		for (const service in status.services)
			this.takeService(service, status.services[service], last, now, restarted, fresh);

		for (const service in last?.status.services ?? {})
			if (!status.services[service])
				fresh.push({ time: now, action: 'removed', service });

		this.last = { time: now, status };
		fresh.sort((a, b) => a.time - b.time);
		this.events = this.events.concat(fresh).slice(-LONGEST);
		this.keep();

		return fresh;
	}

	/** @private */
	takeService(service, state, last, now, restarted, fresh) {
		const before = last?.status.services[service];

		if (last && !before)
			fresh.push({ time: now, action: 'added', service });

		if (before && before.running != state.running)
			fresh.push({ time: now, action: state.running ? 'running' : 'inactive', service, text: state.inactive });

		if (before?.transition && !state.transition)
			fresh.push({ time: now, action: 'transition', service });

		for (const server in state.servers) {
			const is = state.servers[server];
			const was = before?.servers[server];
			const event = { service, server };
			const began = now - is.since * 1000;

			if (before && !was)
				fresh.push({ ...event, time: now, action: 'added' });
			else if (!was || is.state != was.state || (!restarted && began > last.time + 2000))
				fresh.push({ ...event, time: began, action: is.state, text: is.reason });

			if (was && was.weight != is.weight)
				fresh.push({ ...event, time: now, action: 'weight', text: `${was.weight} → ${is.weight}` });

			this.sample(`${service}/${server}`, was, is, last, now, restarted);
		}

		for (const server in before?.servers ?? {})
			if (!state.servers[server])
				fresh.push({ time: now, action: 'removed', service, server });
	}

	/** @private */
	sample(key, was, is, last, now, restarted) {
		const samples = (this.samples[key] ?? []).filter(({ time }) => now - time <= SPAN);
		const elapsed = last ? now - last.time : 0;

		if (was && !restarted && elapsed > 0 && elapsed <= GAP && is.packets != null && is.packets >= was.packets)
			samples.push({ time: now, rate: (is.packets - was.packets) * 1000 / elapsed });

		this.samples[key] = samples;
	}

	/**
	 * Packets per second of a server in a service, oldest first.
	 * @param {string} service
	 * @param {string} server
	 * @returns {{time: number, rate: number}[]}
	 */
	rates(service, server) {
		return this.samples[`${service}/${server}`] ?? [];
	}

	/** @private */
	keep() {
		try {
			const { events, samples, last } = this;

			this.storage.setItem(KEY, JSON.stringify({ events, samples, last }));
		}
		catch (e) {
			/* No room, or none allowed: it lasts as long as the page. */
		}
	}
}

return baseclass.extend({
	SPAN,

	/**
	 * @param {Storage} storage
	 * @returns {History}
	 */
	open(storage) {
		return new History(storage);
	}
});
