import * as assert from 'uvu/assert';
import type { Family } from '../../src/net/address.ts';
import { families, ghostPlaces, macs, tunClient } from './addresses.ts';
import { ServerCaptures } from './capture.ts';
import { Injector } from './inject.ts';
import type { Lab } from './lab.ts';
import { MovingService } from './moving-service.ts';
import type { Policy } from './moving-service.ts';
import type { Packet } from './packet.ts';
import { ipPacket, isReset, protocol, tcpSyn, udp } from './packet.ts';
import { bigDatagram, configuration, counters, eachOf, eventually, heard, spreadClients } from './scenario.ts';
import { echoPort } from './servers.ts';
import type { Scene } from './suite.ts';
import { labSuite } from './suite.ts';
import type { Conversation } from './traffic.ts';

// The rules of a transition on a real kernel, with real servers: who gets which packet in the middle of a change.

const ghost = ghostPlaces.elsewhere;
const SECOND = 1000;
const IDLE = 300 * SECOND;
const LEARN = 30 * SECOND;
/** 1 s is the first retransmission of TCP (RFC 6298): who has not answered by then got the segment twice at least. */
const SILENCE = 1500;

const { test, run } = labSuite('rules of a transition', { tunMtu: 1492 }, (lab) => {
  const source = ['wan', 'pppoe-wan', 'br-lan', 'br-guest'];
  return configuration(lab, { web: { options: { port: ['80', String(echoPort)], source } } });
});

let moving: MovingService | undefined;

/** The service with all servers up, as each test begins. */
async function begin({ lab }: Scene, policy: Policy = {}): Promise<MovingService> {
  moving ??= await MovingService.takeOver(lab, 'web');
  const defaults = {
    onChange: 'keep',
    onFailure: 'pass',
    drainTimeout: 3600 * SECOND,
    idleTimeout: IDLE,
    learnTime: LEARN,
  } as const;
  await moving.begin({ ...defaults, ...policy });
  return moving;
}

type Kind = 'tcp' | 'udp';

/** Conversations of one kind from each client; all are open and known to be where the table says, or at `expected`. */
async function talk(
  lab: Lab,
  kind: Kind,
  clients: readonly string[],
  expected: (client: string) => string,
): Promise<Conversation[]> {
  const client = lab.traffic(lab.wan);
  return eachOf(clients, 16, async (from) => {
    const conversation = await client[kind](from, ghost[from.includes(':') ? 6 : 4], echoPort);
    assert.is((await heard(conversation)).server, expected(from), `${kind} from ${from}`);
    return conversation;
  });
}

/** Each conversation is where it was. */
async function stay(conversations: readonly Conversation[], expected: ReadonlyMap<string, string>): Promise<void> {
  await eachOf(conversations, 16, async (conversation) => {
    assert.is((await heard(conversation)).server, expected.get(conversation.source), `from ${conversation.source}`);
  });
}

function closeAll(...lists: readonly (readonly Conversation[])[]): void {
  for (const conversation of lists.flat()) conversation.close();
}

/** Who has each client now. */
function owners(service: MovingService, clients: readonly string[]): Map<string, string> {
  return new Map(clients.map((client) => [client, service.owner(client)]));
}

const everybody = families.flatMap((family) => spreadClients(family, 24));

test('connections from before a change stay, new ones go to the new server, through changes on changes', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  const before = owners(service, everybody);
  assert.ok([...before.values()].includes('s1'));
  const byTable = (client: string) => service.owner(client);
  const old = [...(await talk(lab, 'tcp', everybody, byTable)), ...(await talk(lab, 'udp', everybody, byTable))];

  await service.drain('s1');
  await stay(old, before);
  const drained = owners(service, everybody);
  assert.not([...drained.values()].includes('s1'));
  const second = await talk(lab, 'tcp', everybody, byTable);
  // What is not known of UDP is taken for old as long as it is learnt.
  const learnt = await talk(lab, 'udp', everybody, (client) => before.get(client) ?? '');

  await service.later(LEARN);
  await stay([...old, ...learnt], before);
  const flows = await talk(lab, 'udp', everybody, byTable);

  assert.ok(((await counters(lab.router)).get('web/kept/s1')?.packets ?? 0) > 0);
  await service.drain('s2');
  await service.bringBack('s1');
  await stay([...old, ...learnt], before);
  await stay([...second, ...flows], drained);
  const third = await talk(lab, 'tcp', everybody, byTable);
  await service.later(LEARN);
  await stay([...old, ...learnt], before);
  await stay([...second, ...flows], drained);
  await stay(third, owners(service, everybody));

  assert.ok(((await counters(lab.router)).get('web/kept/s2')?.packets ?? 0) > 0);
  closeAll(old, learnt, second, flows, third);
  await service.later(SECOND);
  await service.later(IDLE);
  assert.not(service.isMoving);
  closeAll(await talk(lab, 'tcp', everybody, byTable));
});

test('a server comes back in the middle of its drain, and takes up what it had', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  const before = owners(service, everybody);
  const byTable = (client: string) => service.owner(client);
  const old = await talk(lab, 'tcp', everybody, byTable);
  await service.drain('s3');
  const during = owners(service, everybody);
  const young = await talk(lab, 'tcp', everybody, byTable);
  await service.bringBack('s3');
  assert.equal(owners(service, everybody), before);
  await stay(old, before);
  await stay(young, during);
  const last = await talk(lab, 'tcp', everybody, byTable);
  await service.drain('s3');
  await stay([...old, ...last], before);
  await stay(young, during);
  closeAll(old, young, last);
});

test('a server that fails takes its connections with it, and no others', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  const before = owners(service, everybody);
  const byTable = (client: string) => service.owner(client);
  const old = await talk(lab, 'tcp', everybody, byTable);
  await service.drain('s1');
  await service.fail('s2');
  await stay(
    old.filter(({ source }) => before.get(source) !== 's2'),
    before,
  );
  for (const conversation of old.filter(({ source }) => before.get(source) === 's2')) {
    // It lives, in truth, but no packet goes there: another server's own RST ends what it had.
    assert.equal(await conversation.ask(), { broken: 'ECONNRESET' });
  }
  closeAll(await talk(lab, 'tcp', everybody, byTable), old);
});

for (const [why, policy, move] of [
  ['slots move', { onChange: 'reset' }, 'drain'],
  ['a server fails', { onFailure: 'reset' }, 'fail'],
] as const) {
  test(`reset, when ${why}: connections get a RST from the router with their next segment`, async (scene) => {
    const { lab } = scene;
    const service = await begin(scene, policy);
    const before = owners(service, everybody);
    const byTable = (client: string) => service.owner(client);
    const old = await talk(lab, 'tcp', everybody, byTable);
    await service[move]('s1');
    const young = await talk(lab, 'tcp', everybody, byTable);
    const lost = old.filter(({ source }) => before.get(source) === 's1');
    assert.ok(lost.length > 4);
    for (const conversation of lost) assert.equal(await conversation.ask(), { broken: 'ECONNRESET' });
    assert.ok(((await counters(lab.router)).get('web/reset')?.packets ?? 0) >= lost.length);
    await stay(
      old.filter((conversation) => !lost.includes(conversation)),
      before,
    );
    await stay(young, owners(service, everybody));
    closeAll(old, young);
    await service.later(SECOND);
    await service.later(IDLE);
    assert.not(service.isMoving);
  });
}

test('drop, when a server fails: connections get no answer, and UDP goes on elsewhere', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene, { onFailure: 'drop' });
  const before = owners(service, everybody);
  const byTable = (client: string) => service.owner(client);
  const old = await talk(lab, 'tcp', everybody, byTable);
  await service.fail('s1');
  const lost = old.filter(({ source }) => before.get(source) === 's1');
  const answers = await eachOf(lost, lost.length, (conversation) => conversation.ask(SILENCE));
  assert.equal(
    answers,
    lost.map(() => ({ silent: true })),
  );
  assert.ok(lost.every(({ alive }) => alive));
  assert.ok(((await counters(lab.router)).get('web/silence')?.packets ?? 0) >= lost.length);
  await stay(
    old.filter((conversation) => !lost.includes(conversation)),
    before,
  );
  closeAll(await talk(lab, 'udp', everybody, byTable), await talk(lab, 'tcp', everybody, byTable), old);
});

test('clients behind a device without Ethernet headers are kept, and get their RST, as others', async (scene) => {
  const { lab } = scene;
  const clients = families.flatMap((family) =>
    Array.from({ length: 16 }, (_, index) => tunClient(family, index * 4097)),
  );
  for (const policy of [{}, { onChange: 'reset' }] as const) {
    const service = await begin(scene, policy);
    const before = owners(service, clients);
    const traffic = lab.traffic(lab.tun);
    const old = await eachOf(clients, 16, (from) => traffic.tcp(from, ghost[from.includes(':') ? 6 : 4], echoPort));
    await stay(old, before);
    await service.drain('s1');
    const [lost, kept] = [true, false].map((isLost) =>
      old.filter(({ source }) => isLost === ('onChange' in policy && before.get(source) === 's1')),
    );
    for (const conversation of lost ?? []) assert.equal(await conversation.ask(), { broken: 'ECONNRESET' });
    assert.is((lost ?? []).length > 0, 'onChange' in policy);
    await stay(kept ?? [], before);
    closeAll(old);
  }
});

/** The first client that a server has now. */
function clientOf(service: MovingService, server: string, family: Family): string {
  const client = spreadClients(family, 200).find((from) => service.owner(from) === server);
  if (client === undefined) throw new Error(`no client of ${server}`);
  return client;
}

test('a SYN that is sent again reaches the server that had it first, and so does what the stack forwards', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  const outside = await Injector.start(lab.wan, 'eth0', [macs.routerWan, macs.wan]);
  const servers = await ServerCaptures.start(lab);
  const arrival = async (what: string, from: string, packet: Buffer) => {
    await servers.arrivals();
    await outside.send(packet);
    // The client's own stack refuses what servers say to it, with a RST or an ICMP error, which may come in between.
    const isRefusal = (seen: Packet) =>
      isReset(seen) || [protocol.icmp, protocol.icmp6].some((it) => it === seen.protocol);
    const { server } = await servers.first(what, (seen) => seen.source === from && !isRefusal(seen));
    return server;
  };
  for (const family of families) {
    await service.begin();
    const from = clientOf(service, 's1', family);
    const header = { source: from, destination: ghost[family] };
    const syn = (port: number) => ipPacket({ ...header, protocol: protocol.tcp }, tcpSyn(header, [port, echoPort]));
    await service.drain('s1');
    const first = service.owner(from);
    assert.is(await arrival('SYN', from, syn(31_000)), first);
    await service.drain(first);
    const second = service.owner(from);
    assert.is.not(second, first);
    assert.is(await arrival('SYN again', from, syn(31_000)), first);
    assert.is(await arrival('another SYN', from, syn(31_001)), second);

    // IP options, or an extension header: the fast path leaves these to the stack.
    const options = Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]);
    const detour = (port: number) => {
      const segment = tcpSyn(header, [port, echoPort]);
      const extension = Buffer.concat([Buffer.from([protocol.tcp, 0, 1, 4, 0, 0, 0, 0]), segment]);
      return family === 4
        ? ipPacket({ ...header, protocol: protocol.tcp, options }, segment)
        : ipPacket({ ...header, protocol: protocol.destinationOptions }, extension);
    };
    assert.is(await arrival('SYN with options', from, detour(31_000)), first);
    assert.is(await arrival('another SYN with options', from, detour(31_001)), second);
    assert.is(await arrival('a new SYN with options', from, detour(31_002)), second);

    const datagram = udp(header, [31_003, echoPort], Buffer.from('old'));
    const learnt = await arrival('datagram', from, ipPacket({ ...header, protocol: protocol.udp }, datagram));
    assert.is(learnt, 's1');
  }
  await Promise.all([outside.end(), servers.end()]);
});

test('datagrams larger than the link follow their flow', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  for (const family of families) {
    await service.begin();
    const from = clientOf(service, 's2', family);
    const send = (sourcePort: number) =>
      bigDatagram(lab.wan, from, ghost[family], echoPort, 3000, { sourcePort, tries: 3 });
    assert.is(await send(32_000), 's2');
    await service.drain('s2');
    assert.is(await send(32_000), 's2');
    await service.later(LEARN);
    assert.is(await send(32_000), 's2');
    assert.is(await send(32_001), service.owner(from));
  }
});

/** Elements of a set: seconds that are left of each, by the client's port. */
async function elementsOf({ lab }: Scene, set: string): Promise<Map<number, number>> {
  const text = await lab.router.run(['nft', '-j', 'list', 'set', 'netdev', 'oneip', set]);
  const { nftables } = JSON.parse(text) as {
    nftables: { set?: { elem?: { elem: { val: { concat: unknown[] }; expires: number } }[] } }[];
  };
  const elements = nftables.flatMap((entry) => entry.set?.elem ?? []);
  return new Map(elements.map(({ elem }) => [Number(elem.val.concat[2]), elem.expires]));
}

test('a flow that closes is forgotten soon, an open one is not', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  for (const family of families) {
    await service.begin();
    const from = clientOf(service, 's1', family);
    await service.drain('s1');
    const server = service.owner(from);
    const client = lab.traffic(lab.wan);
    const open = await client.tcp(from, ghost[family], echoPort, 33_000);
    const closing = await client.tcp(from, ghost[family], echoPort, 33_001);
    for (const conversation of [open, closing]) assert.is((await heard(conversation)).server, server);
    const set = `web/flow${family}/${server}`;
    const atFirst = await elementsOf(scene, set);
    for (const port of [33_000, 33_001]) assert.ok((atFirst.get(port) ?? 0) > 7100, `${port}: ${atFirst.get(port)} s`);
    closing.close();
    await eventually('the flow closes', 5_000, async () => {
      const left = (await elementsOf(scene, set)).get(33_001) ?? 0;
      return left > 0 && left <= 120 ? left : undefined;
    });
    assert.ok(((await elementsOf(scene, `web/closing${family}`)).get(33_001) ?? 0) > 0);
    assert.ok(((await elementsOf(scene, set)).get(33_000) ?? 0) > 7100);
    open.close();
  }
});

test('where no more flows can be recorded, new connections begin at the old server, and hold there', async (scene) => {
  const { lab } = scene;
  const service = await begin(scene);
  const from = clientOf(service, 's1', 4);
  await service.drain('s1');
  const server = service.owner(from);
  const client = lab.traffic(lab.wan);
  const known = await client.tcp(from, ghost[4], echoPort);
  assert.is((await heard(known)).server, server);

  const room = 65_535 - (await elementsOf(scene, `web/flow4/${server}`)).size;
  const flows = Array.from(
    { length: room },
    (_, index) => `6 . 198.51.100.${index >> 14} . ${1 + (index & 0x3fff)} . ${ghost[4]} . 80 timeout 1h`,
  );
  for (let at = 0; at < room; at += 4096) {
    const elements = flows.slice(at, at + 4096).join(', ');
    await lab.router.nft(`add element netdev oneip web/flow4/${server} { ${elements} }\n`);
  }
  const late = await client.tcp(from, ghost[4], echoPort);
  for (const conversation of [late, late]) assert.is((await heard(conversation)).server, 's1');
  assert.is((await heard(known)).server, server);
  assert.ok(((await counters(lab.router)).get('web/full')?.packets ?? 0) > 0);
  closeAll([known, late]);
  await service.begin();
});

run();
