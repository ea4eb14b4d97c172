import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { check } from '../../src/cli/check.ts';
import type { Environment, InterfaceAddress } from '../../src/config/environment.ts';
import { loadConfiguration } from '../../src/config/validate.ts';
import { parseAddress } from '../../src/net/address.ts';

const page = readFileSync('docs/setups.md', 'utf8');

/** Sections of the page that have a configuration, by their headings. */
const setups = new Map(
  page
    .split(/^## /m)
    .map((part) => [part.split('\n')[0] ?? '', /^```\n(config [^]*?)^```$/m.exec(part)?.[1]] as const)
    .flatMap(([title, configuration]) => (configuration === undefined ? [] : [[title, configuration] as const])),
);

/** A router with addresses, `ADDRESS/LENGTH` by device; `wan` and `lan` are logical interfaces. */
function router(addresses: Readonly<Record<string, readonly string[]>>): Environment {
  const names = Object.keys(addresses);
  return {
    links: new Map(
      names.map((name, index) => [
        name,
        {
          name,
          ifindex: index + 2,
          mtu: 1500,
          up: true,
          ...(name !== 'pppoe-wan' && { hardware: `02:00:00:00:00:0${index}` }),
          ...(name === 'br-lan' && { kind: 'bridge' }),
        },
      ]),
    ),
    addresses: names.flatMap((device) =>
      (addresses[device] ?? []).map((text): InterfaceAddress => {
        const [address = '', length] = text.split('/');
        const parsed = parseAddress(address);
        assert.ok(parsed, text);
        return { device, address: parsed, prefixLength: Number(length) };
      }),
    ),
    interfaces: new Map([
      ['wan', names.find((name) => name.endsWith('wan')) ?? 'eth1'],
      ['lan', 'br-lan'],
    ]),
    listeners: [],
  };
}

const ROUTERS: Readonly<Record<string, Environment>> = {
  'One public address': router({ 'pppoe-wan': ['203.0.113.5/32'], 'br-lan': ['192.168.1.1/24'] }),
  'Servers left as they are': router({ 'pppoe-wan': ['203.0.113.5/32'], 'br-lan': ['192.168.1.1/24'] }),
  'A block of addresses': router({
    eth0wan: ['203.0.113.5/24'],
    'br-lan': ['192.168.1.1/24', '2001:db8:81::1/64'],
  }),
  'A service in the LAN': router({ 'br-lan': ['192.168.1.1/24'] }),
  'A dispatcher with one arm': router({ 'br-lan': ['192.168.1.2/24'] }),
  'Every packet to every server': router({ eth0wan: ['203.0.113.5/24'], 'br-dmz': ['192.168.3.1/24'] }),
};

test('there is a router for each set-up', () => {
  assert.equal([...setups.keys()], Object.keys(ROUTERS));
});

for (const [title, configuration] of setups) {
  test(`${title}: nothing is wrong with its configuration on its router`, () => {
    const environment = ROUTERS[title];
    assert.ok(environment);
    assert.equal(check(configuration, 'oneip', environment, false), { output: 'no problems\n', status: 0 });
  });

  test(`${title}: the picture has the addresses of the configuration`, () => {
    const part = page.slice(page.indexOf(`\n## ${title}\n`));
    const picture = /^```\n([^]*?)^```$/m.exec(part)?.[1] ?? '';
    for (const { ghosts, servers } of loadConfiguration(configuration, 'oneip').model.services) {
      for (const { text } of ghosts) assert.ok(picture.includes(text), text);
      for (const { name, address } of servers) {
        assert.ok(picture.includes(name), name);
        assert.ok(picture.includes(`.${address?.text.split('.')[3]}`), address?.text);
      }
    }
  });
}

test.run();
