// SPDX-License-Identifier: GPL-2.0-or-later
'use strict';
'require baseclass';

/**
 * What the daemon takes for a value of each kind. A field of a form shows at once what `oneip check` would say of its value;
 * what depends on other values only the daemon can say.
 *
 * A check takes a text and returns true, or a sentence that says what is accepted.
 */

const UNITS = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000 };

/** Milliseconds; null where the text is no duration. */
function milliseconds(text) {
	const found = /^(0|[1-9]\d{0,8})(ms|s|m|h|d)?$/.exec(text);

	return found ? +found[1] * UNITS[found[2] ?? 's'] : null;
}

/** The bytes of an IPv4 address, or null. */
function bytes4(text) {
	if (!/^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/.test(text))
		return null;

	const bytes = text.split('.').map(Number);

	return bytes.every((byte) => byte <= 255) ? bytes : null;
}

/** Those of a part of an IPv6 address without `::`; null where a group is none. */
function groups(text) {
	const bytes = [];
	const words = (text == '') ? [] : text.split(':');

	for (const word of words) {
		if (!/^[0-9a-fA-F]{1,4}$/.test(word))
			return null;

		const group = parseInt(word, 16);

		bytes.push(group >> 8, group & 255);
	}

	return bytes;
}

/** The bytes of an IPv6 address, or null. */
function bytes6(text) {
	const tail = /^(.*:)([0-9.]+\.[0-9.]+)$/.exec(text);

	if (tail) {
		const last = bytes4(tail[2]);

		return last ? bytes6(tail[1] + [ 0, 2 ].map((at) => (last[at] * 256 + last[at + 1]).toString(16)).join(':')) : null;
	}

	const halves = text.split('::').map(groups);

	if (halves.includes(null))
		return null;

	const [ front, back ] = halves;

	if (halves.length == 1)
		return (front.length == 16) ? front : null;

	if (halves.length > 2 || front.length + back.length > 14)
		return null;

	return [ ...front, ...Array(16 - front.length - back.length).fill(0), ...back ];
}

function bytesOf(text) {
	return text.includes(':') ? bytes6(text) : bytes4(text);
}

function isPrefix(text) {
	const [ , address, length ] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
	const bytes = (address != null) ? bytesOf(address) : null;

	if (!bytes || length > bytes.length * 8)
		return false;

	return length == null || bytes.every((byte, at) => (byte & (255 >> Math.min(8, Math.max(0, length - at * 8)))) == 0);
}

function isRange(text, least, most) {
	const [ , first, last ] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(text) ?? [];

	return first >= least && +first <= +(last ?? first) && (last ?? first) <= most;
}

/** A check of values by a predicate. */
function expecting(isRight, sentence) {
	return (text) => isRight(text) || sentence();
}

return baseclass.extend({
	address: expecting((text) => bytesOf(text) != null, () => _('Expecting an IPv4 or IPv6 address.')),

	address4: expecting((text) => !text.includes(':') && bytes4(text) != null, () => _('Expecting an IPv4 address.')),

	address6: expecting((text) => text.includes(':') && bytes6(text) != null, () => _('Expecting an IPv6 address.')),

	prefix: expecting(isPrefix, () => _('Expecting a prefix such as 192.0.2.0/24 or 2001:db8::/32, with no bits set behind its length, or one address.')),

	portRange: expecting((text) => isRange(text, 1, 65535), () => _('Expecting a port from 1 to 65535, or a range such as 8000-8010.')),

	statusRange: expecting((text) => isRange(text, 100, 599), () => _('Expecting a status code from 100 to 599, or a range such as 200-299.')),

	device: expecting(
		(text) => (/^[!-~]{1,15}$/.test(text) && !/[/:]/.test(text) && ![ 'lo', '.', '..' ].includes(text)),
		() => _('Expecting a device such as eth0.2 or a logical interface such as wan, of 15 characters at most.')
	),

	urlPath: expecting((text) => (/^\/[!-~]*$/.test(text)), () => _('Expecting a path that begins with /, without blanks.')),

	host: expecting(
		(text) => (/^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[1-9]\d{0,4})?$/.test(text)),
		() => _('Expecting a name or an address (IPv6 in brackets), perhaps with :PORT.')
	),

	headerField: expecting(
		(text) => (/^[A-Za-z0-9!#$%&'*+.^_`|~-]+:[^\p{Cc}]*$/u.test(text)),
		() => _('Expecting a header and a text, such as “Content-Type: text/html”.')
	),

	absolutePath: expecting((text) => text.startsWith('/') && !text.includes('\0'), () => _('Expecting the absolute path of a program.')),

	/** A key. */
	secret: expecting((text) => (/^[!-~]{16,128}$/.test(text)), () => _('Expecting 16 to 128 characters of ASCII, without blanks.')),

	/** The name of a section. */
	name: expecting((text) => (/^[a-z0-9_]{1,32}$/.test(text)), () => _('Expecting 1 to 32 letters a–z, digits and underscores.')),

	/** A whole number within limits, decimal or hexadecimal. */
	integer(least, most, step) {
		return expecting(
			(text) => (/^(0|[1-9]\d{0,15}|0[xX][0-9a-fA-F]{1,12})$/.test(text) && +text >= least && +text <= most && +text % (step ?? 1) == 0),
			() => (step ?? 1) == 1
				? _('Expecting a whole number from %d to %d.').format(least, most)
				: _('Expecting a whole number from %d to %d, in steps of %d.').format(least, most, step)
		);
	},

	/** A duration within limits, which are written as durations. */
	duration(least, most) {
		return expecting(
			(text) => {
				const given = milliseconds(text);

				return given != null && given >= milliseconds(least) && given <= milliseconds(most);
			},
			() => _('Expecting a whole number with ms, s, m, h or d, from %s to %s.').format(least, most)
		);
	},

	/**
	 * Sections of LuCI's `uci` as the text of a configuration file.
	 * @param {Object[]} sections
	 * @returns {string}
	 */
	configurationText(sections) {
		const quoted = (text) => `'${String(text).replaceAll('\'', '\'\\\'\'')}'`;

		return sections.map((section) => {
			const name = section['.anonymous'] ? '' : ` ${quoted(section['.name'])}`;
			const lines = Object.keys(section).filter((key) => !key.startsWith('.')).map((key) => {
				const value = section[key];

				return Array.isArray(value)
					? value.map((item) => `\tlist ${key} ${quoted(item)}\n`).join('')
					: `\toption ${key} ${quoted(value)}\n`;
			});

			return `config ${section['.type']}${name}\n${lines.join('')}`;
		}).join('\n');
	}
});
