import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ghostPlaces, macs, wanClient } from './addresses.ts';
import { withControl } from './control-client.ts';
import { withLab, type Lab } from './lab.ts';
import { tool } from './paths.ts';
import type { LineProcess } from './process.ts';
import { configuration, figure } from './scenario.ts';

// Packets in the middle of a change. A set or a map is looked up as it is at that moment, so a packet that is on its way through
// the rules while the kernel takes a change sees some of them as they were and others as they are. Rare with a few packets a
// second; here there are hundreds of thousands.

const clients = 1000;
const port = 9000;
/** Milliseconds that a sender sends at a time. */
const burst = 150;

/** Servers drop what they get and count it: flows that they had when they learnt their flows, and strays. */
const sink = `
table inet sink {
	set mine { type ipv4_addr; size 65535; flags dynamic; }
	counter own { }
	counter strays { }
	chain learn { }
	chain input {
		type filter hook input priority -300
		udp dport ${port} jump learn
		udp dport ${port} ip saddr @mine counter name own drop
		udp dport ${port} counter name strays drop
	}
}
`;

class Flows {
  readonly #lab: Lab;
  readonly #sender: LineProcess;

  private constructor(lab: Lab, sender: LineProcess) {
    this.#lab = lab;
    this.#sender = sender;
  }

  static async start(lab: Lab): Promise<Flows> {
    await Promise.all(lab.servers.map(({ namespace }) => namespace.nft(sink)));
    const flows = [macs.wan, macs.routerWan, ghostPlaces.elsewhere[4], wanClient(4, 1), clients, port, 617];
    const sender = lab.wan.start([tool('bench-sender'), 'raw', 'eth0', ...flows, 0, 64].map(String));
    await sender.waitFor((line) => line === 'ready' || undefined);
    return new Flows(lab, sender);
  }

  /** Flows are whose they reach now. */
  async settle(): Promise<void> {
    await this.#everywhere('flush set inet sink mine; add rule inet sink learn add @mine { ip saddr }');
    await this.#send('pass');
    await this.#everywhere('flush chain inet sink learn; reset counters table inet sink');
  }

  /** Sends until what is to be done is done. Resolves with the packets sent. */
  async during(deed: () => Promise<unknown>): Promise<number> {
    let over = false;
    const done = deed().finally(() => (over = true));
    let sent = 0;
    while (!over) sent += await this.#send(`run ${burst}`);
    await done;
    return sent;
  }

  /** Packets that somebody got who had not had the flow. */
  async strays(): Promise<number> {
    const texts = await Promise.all(
      this.#lab.servers.map(({ namespace }) => namespace.run(['nft', 'list', 'counter', 'inet', 'sink', 'strays'])),
    );
    return texts.map((text) => Number(/packets (\d+)/.exec(text)?.[1])).reduce((sum, packets) => sum + packets, 0);
  }

  async #everywhere(commands: string): Promise<void> {
    await Promise.all(this.#lab.servers.map(({ namespace }) => namespace.run(['nft', commands])));
  }

  #send(command: string): Promise<number> {
    return this.#sender.ask(command, (line) => {
      const packets = /^sent (\d+) /.exec(line)?.[1];
      return packets === undefined ? undefined : Number(packets);
    });
  }
}

function config(lab: Lab, times: Readonly<Record<string, string>>): string {
  const options = { proto: ['udp'], port: [port], drain_timeout: '10m', learn_time: '300ms', ...times };
  return configuration(lab, { web: { options } });
}

test('no packet of a flow goes astray when a change begins', () =>
  withLab({}, (lab) =>
    withControl(lab, config(lab, { idle_timeout: '1s' }), async (control) => {
      const flows = await Flows.start(lab);
      let strays = 0;
      let sent = 0;
      for (let round = 0; round < 4; round++) {
        await flows.settle();
        const heard = control.events.length;
        const state = round % 2 === 0 ? 'drain' : 'auto';
        sent += await flows.during(() => control.order('set_server', { server: 's1', service: 'web', state }));
        strays += await flows.strays();
        await control.until(({ action }) => action === 'transition', 10_000, heard);
      }
      figure(`${strays} of ${sent} packets went astray`);
      assert.is(strays, 0);
    }),
  ));

test('no packet of a flow goes astray while one change comes upon the other', () =>
  withLab({}, (lab) =>
    withControl(lab, config(lab, { idle_timeout: '5m' }), async (control) => {
      const flows = await Flows.start(lab);
      await flows.settle();
      let sent = 0;
      for (let round = 0; round < 12; round++) {
        const server = `s${1 + ((round >> 1) % 3)}`;
        const state = round % 2 === 0 ? 'drain' : 'auto';
        sent += await flows.during(() => control.order('set_server', { server, service: 'web', state }));
      }
      const strays = await flows.strays();
      figure(`${strays} of ${sent} packets went astray`);
      assert.is(strays, 0);
    }),
  ));

test.run();
