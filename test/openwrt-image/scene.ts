import * as assert from 'uvu/assert';
import { families, ghostPlaces } from '../lab/addresses.ts';
import type { RouterState } from '../lab/router-state.ts';
import { eachOf, eventually, heard, Oracle, spreadClients, whoAnswers } from '../lab/scenario.ts';
import { echoPort } from '../lab/servers.ts';
import type { Server } from '../lab/topology.ts';
import type { Conversation } from '../lab/traffic.ts';
import { tellingLines } from '../lab/router-state.ts';
import type { Shell } from '../qemu/console.ts';
import { guestState } from '../qemu/guest-state.ts';
import type { MachineLab } from '../qemu/machine-lab.ts';
import { asText, type Section } from './sections.ts';
import type { Guest } from './guest.ts';

const ghost = ghostPlaces.elsewhere;

/** A booted guest that the steps go through. */
export interface Scene {
  readonly lab: MachineLab;
  readonly guest: Guest;
  readonly shell: Shell;
  /** The guest before anything of ours was there. */
  readonly before: RouterState;
  readonly oracle: Oracle;
}

/** One service with the lab's servers, watched. */
export function sectionsOf({ servers }: { readonly servers: readonly Pick<Server, 'name' | 'address'>[] }): Section[] {
  return [
    {
      type: 'service',
      name: 'web',
      options: {
        ...{ ghost: [ghost[4], ghost[6]], proto: 'tcp+udp', port: ['80', String(echoPort)], device: 'br-lan' },
        // As logical interfaces, where there are such; the stand-in's device has the same name.
        ...{ source: ['wan'], idle_timeout: '15s' },
      },
    },
    // An emulated machine may stand still for seconds, in which answers are late.
    { type: 'watchdog', name: 'alive', options: { type: 'tcp', port: echoPort, interval: '1s', fall: 6 } },
    ...servers.map(({ name, address }) => ({
      type: 'server',
      name,
      options: { service: ['web'], address: address[4], address6: address[6] },
    })),
  ];
}

export function oracleOf(lab: MachineLab): Oracle {
  return new Oracle(asText(sectionsOf(lab)));
}

/** What the guest is made of: `guestState`, its files but for those of the moment, and what its settings are. */
export async function wholeState(shell: Shell): Promise<RouterState> {
  const state = new Map(await guestState(shell));
  const folders = '/bin /etc /lib /sbin /usr /www';
  const commands = {
    files: `for folder in ${folders}; do [ ! -d $folder ] || find $folder -xdev \\( -type f -o -type l \\); done | sort`,
    settings: 'for file in /etc/config/*; do [ ! -f "$file" ] || sha256sum "$file"; done',
    objects: 'ubus list 2>/dev/null | sort',
  };
  for (const [what, command] of Object.entries(commands)) {
    state.set(what, tellingLines((await shell.attempt(command, 120_000)).output));
  }
  return state;
}

/** The ghost that a client of either family speaks to. */
const ghostFor = (client: string) => ghost[client.includes(':') ? 6 : 4];

/** Clients of both families whose server is the one that is named, and the others. */
export function clientsOf(oracle: Oracle, name: string): { readonly its: string[]; readonly others: string[] } {
  const clients = families.flatMap((family) => spreadClients(family, 30));
  const its = clients.filter((client) => oracle.server('web', client) === name);
  return { its, others: clients.filter((client) => !its.includes(client)) };
}

/** The servers that new connections of the clients reach. */
export async function serversOf({ lab }: Scene, clients: readonly string[]): Promise<string[]> {
  return eachOf(clients, 8, async (client) => {
    return (await whoAnswers(lab, lab.wan, 'tcp', client, ghostFor(client), echoPort)).server;
  });
}

/**
 * Every client of both families reaches the server that `simulate` names. By UDP only where no slot has moved lately: for
 * `learn_time` after that a datagram of an unknown flow may be an old one's.
 */
export async function assertDispatched(scene: Scene, { udp = false } = {}): Promise<void> {
  const clients = families.flatMap((family) => spreadClients(family, 30));
  const wanted = clients.map((client) => scene.oracle.server('web', client));
  assert.equal(await serversOf(scene, clients), wanted);
  assert.is(new Set(wanted).size, scene.lab.servers.length);
  if (!udp) return;
  const { lab } = scene;
  const answers = await eachOf(clients, 8, (client) =>
    whoAnswers(lab, lab.wan, 'udp', client, ghostFor(client), echoPort),
  );
  assert.equal(
    answers.map(({ server }) => server),
    wanted,
  );
}

/** Open connections of the clients, each of which has spoken with its server. */
export async function connect({ lab }: Scene, clients: readonly string[]): Promise<Map<Conversation, string>> {
  const conversations = new Map<Conversation, string>();
  await eachOf(clients, 8, async (client) => {
    const conversation = await lab.traffic(lab.wan).tcp(client, ghostFor(client), echoPort);
    conversations.set(conversation, (await heard(conversation)).server);
  });
  return conversations;
}

/** All of them live, each with the server that it had; a segment may have to be repeated. */
export async function assertAlive(conversations: ReadonlyMap<Conversation, string>): Promise<void> {
  for (const [conversation, server] of conversations) assert.is((await heard(conversation, 15_000)).server, server);
}

export function close(conversations: ReadonlyMap<Conversation, string>): void {
  for (const conversation of conversations.keys()) conversation.close();
}

/** Waits until a client's new connections are answered by a server of which `is` holds. */
export async function untilServer(
  { lab }: Scene,
  client: string,
  is: (server: string) => boolean,
  limit = 30_000,
): Promise<number> {
  const { milliseconds } = await eventually('the other server', limit, async () => {
    const conversation = await lab.traffic(lab.wan).tcp(client, ghostFor(client), echoPort, 0, 1_000);
    const answer = await conversation.ask(1_000);
    conversation.close();
    return ('server' in answer && is(answer.server)) || undefined;
  });
  return milliseconds;
}
