import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { slotOf } from '../../src/allocation/client-key.ts';
import { parsePrefix } from '../../src/net/address.ts';
import { parseClient, simulate } from '../../src/simulate/simulate.ts';
import { address, service } from './support/deployments.ts';

const dealt = (count: number) => {
  const table = new Uint16Array(256).map((_, slot) => slot % count);
  return { 4: table, 6: table };
};
const client = (text: string) => {
  const parsed = parseClient(text);
  assert.ok(parsed, text);
  return parsed;
};
const options = { littleEndian: true };

test('clients as people write them', () => {
  const forms: [string, string, number?][] = [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:40000', '203.0.113.7', 40000],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:1', '2001:db8::7', 1],
  ];
  for (const [text, expected, port] of forms) {
    assert.is(client(text).address.text, expected);
    assert.is(client(text).port, port);
  }
  for (const text of ['', 'web1', '203.0.113.7:0', '203.0.113.7:65536', '203.0.113.300', '[::1]:x', '1.2.3.4:5:6']) {
    assert.is(parseClient(text), undefined, text);
  }
});

test('the answer is the owner of the slot that the kernel would compute', () => {
  const web = service(3);
  for (let host = 1; host < 255; host++) {
    const who = client(`203.0.113.${host}`);
    const result = simulate(web, dealt(3), who, options);
    const slot = slotOf({ client: who.address, protocol: 6 }, web, true);
    assert.is(result.slot, slot);
    assert.is(result.server, `web${(slot % 3) + 1}`);
  }
});

test('clients of one household are one client', () => {
  const [one, two] = ['2001:db8:1::1', '2001:db8:1::ffff:2'].map((text) =>
    simulate(service(5), dealt(5), client(text), options),
  );
  assert.is(one?.slot, two?.slot);
});

test('a client that is not served is told why', () => {
  const denying = service(2, { deny: [parsePrefix('203.0.113.0/24')].flatMap((found) => found ?? []) });
  const why = (changes: Parameters<typeof service>[1], text: string) =>
    simulate(service(2, changes), dealt(2), client(text), options).why.join('; ');
  assert.equal(simulate(denying, dealt(2), client('203.0.113.9'), options).why, [
    'denied: 203.0.113.9 is in 203.0.113.0/24',
  ]);
  assert.match(why({ allow: denying.deny }, '192.0.2.1'), /not allowed/);
  assert.match(why({ ghosts: [address('198.51.100.1')] }, '2001:db8::7'), /no IPv6 ghost/);
  assert.match(why({ hash: 'source_port' }, '203.0.113.9'), /CLIENT:PORT/);
  assert.match(why({ hash: 'source_port', ports: [] }, '203.0.113.9:5'), /--port/);
  const empty = { 4: new Uint16Array(256).fill(0xffff) };
  assert.match(simulate(service(2), empty, client('203.0.113.9'), options).why.join('; '), /belongs to nobody/);
});

test('where all servers get everything, the answer names the one that keeps it', () => {
  for (const dispatch of ['broadcast', 'multicast'] as const) {
    const [one, other] = ['route' as const, dispatch].map((way) =>
      simulate(service(3, { dispatch: way }), dealt(3), client('203.0.113.7'), options),
    );
    assert.is(other?.server, one?.server);
    const last = `all servers get it, by ${dispatch}, and it is they who keep it or drop it`;
    assert.equal(other?.why, [...(one?.why ?? []), last]);
  }
});

test.run();
