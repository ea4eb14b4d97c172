import { firstTcpPort, isRouted } from '../config/model.ts';
import type { DeployedService } from '../deployment/deployment.ts';
import { devicesThatAnswer } from '../deployment/ghost.ts';
import { looksUpLocal } from '../netlink/rule.ts';
import { describeNetworkChange } from '../network/describe.ts';
import { ROUTE_PROTOCOL } from '../network/state.ts';
import { TABLE } from '../ruleset/ruleset.ts';
import { examineChannels } from './channel.ts';
import { Firewall, unseenTables } from './firewall.ts';
import {
  type Diagnosis,
  type Finding,
  configurationFinding,
  mendBy,
  mendByHand,
  sortFindings,
  sysctlCommand,
} from './finding.ts';
import { numberAt } from './observation.ts';
import { examineOffload } from './offload.ts';
import { examineForwarding } from './router-firewall.ts';
import type { RouterObservation } from './router-observation.ts';

/** Share of the connection-tracking table above which it is about to be full. */
const NEARLY_FULL = 0.95;

/** What keeps the router from handing packets to its servers, or their answers from getting to clients. Pure. */
export function examineRouter(seen: RouterObservation): Diagnosis {
  const examiner = new RouterExaminer(seen);
  examiner.examine();
  return { findings: sortFindings(examiner.findings), unknown: [...examiner.unknown] };
}

class RouterExaminer {
  readonly findings: Finding[] = [];
  readonly unknown = new Set<string>();
  readonly #seen: RouterObservation;
  readonly #firewall: Firewall | undefined;

  constructor(seen: RouterObservation) {
    this.#seen = seen;
    this.#firewall = seen.ruleset === undefined ? undefined : new Firewall(seen.ruleset);
    if (!this.#firewall) this.unknown.add('the firewall was not looked at, since nft cannot list it here');
    for (const unknown of unseenTables(seen.legacyTables)) this.unknown.add(unknown);
  }

  examine(): void {
    this.findings.push(...this.#seen.problems.map(configurationFinding));
    this.#examineDaemon();
    if (this.#seen.daemon.running) this.#examineTables();
    this.#examineKernel();
    this.#examineServers();
    this.#examineClaims();
    for (const deployed of this.#seen.deployment.services) {
      this.#examineRules(deployed);
      this.#examineReversePath(deployed);
    }
    if (this.#firewall && this.#seen.daemon.running) {
      this.findings.push(...examineForwarding(this.#seen.deployment, this.#firewall));
      this.findings.push(...examineChannels(this.#seen.channels, this.#firewall, 'servers say to this router'));
    }
    this.#examineAnswers();
  }

  #examineDaemon(): void {
    const { running, status, configuration } = this.#seen.daemon;
    if (!running) {
      this.findings.push({
        id: 'not-running',
        severity: 'error',
        what: 'no daemon runs here',
        why: 'Nobody hands packets to the servers.',
        mend: mendByHand('service oneip enable', 'service oneip start'),
        advice: 'Where this is a server, none of its addresses is in the file: --name says which one it is.',
      });
      return;
    }
    if (configuration !== undefined && configuration !== this.#seen.configuration) {
      this.findings.push({
        id: 'not-loaded',
        severity: 'warning',
        what: 'the configuration has been changed since the daemon read it',
        why: 'What is in force is another one than the file says.',
        mend: mendByHand('oneip check', 'oneip reload'),
      });
    }
    if (status?.failing !== undefined) {
      this.findings.push({
        id: 'failing',
        severity: 'error',
        what: `the kernel does not hold what the daemon wants: ${status.failing}`,
        why: 'Changes are not taken, and the last state stays.',
        advice: "The log has the kernel's words: 'logread -e oneip'.",
      });
    }
    for (const { service, inactive, servers } of status?.services ?? []) {
      if (inactive !== undefined) {
        this.findings.push({
          id: 'inactive',
          severity: 'error',
          what: `the service '${service}' does not run: ${inactive}`,
          why: 'Its clients get what the router itself has for them.',
          advice: "'oneip check' tells what it lacks.",
        });
      }
      for (const { server, state, decider, reason } of servers) {
        if (state !== 'down' || decider !== 'watchdog') continue;
        this.findings.push({
          id: 'server-down',
          severity: 'warning',
          what: `the server '${server}' is down for '${service}': ${reason}`,
          why: 'It is given no clients until its watchdog finds it well.',
          mend: { ...mendByHand(`oneip doctor --name ${server}`), on: server },
        });
      }
    }
  }

  /** What the daemon has made and somebody has unmade. */
  #examineTables(): void {
    const tables = this.#firewall?.tables;
    const missing = ['netdev', 'inet']
      .map((family) => `${family} ${TABLE}`)
      .filter((name) => tables && !tables.has(name));
    if (missing.length > 0 && this.#seen.deployment.services.length > 0) {
      this.findings.push({
        id: 'tables-missing',
        severity: 'error',
        what: `there is no table '${missing.join("' and no table '")}', although the daemon runs`,
        why: 'Nobody hands packets to the servers.',
        mend: mendBy('oneip reload'),
        advice: "The log says why it was not made again: 'logread -e oneip'.",
      });
    }
    for (const change of this.#seen.lacking) {
      const [command = ''] = describeNetworkChange(change).split('  #');
      this.findings.push({
        id: 'lacking',
        severity: change.kind === 'neighbour' ? 'warning' : 'error',
        what: `the kernel has lost what the daemon had made: ${command}`,
        why: 'Part of the packets, or of the answers, does not find its way.',
        mend: change.kind === 'sysctl' ? mendBy(sysctlCommand(change.key, change.value)) : mendBy('oneip reload'),
      });
    }
  }

  #examineKernel(): void {
    const services = this.#seen.deployment.services;
    const has6 = services.some(({ ghosts }) => ghosts.some(({ address }) => address.family === 6));
    if (has6 && numberAt(this.#seen.sysctls, 'net/ipv6/conf/all/forwarding') === 0) {
      this.findings.push({
        id: 'forwarding',
        severity: 'error',
        what: 'this machine does not forward IPv6',
        why: 'What servers answer to clients of IPv6 is dropped here.',
        // The machine then no longer takes router advertisements, which may be how it has its own address.
        mend: mendByHand(sysctlCommand('net/ipv6/conf/all/forwarding', '1')),
      });
    }
    const bridged = ['iptables', 'ip6tables'].filter(
      (name) => numberAt(this.#seen.sysctls, `net/bridge/bridge-nf-call-${name}`) === 1,
    );
    const bridge = services.find(({ device }) => device.kind === 'bridge')?.device;
    if (bridge && bridged.length > 0) {
      this.findings.push({
        id: 'bridge-netfilter',
        severity: 'warning',
        what: `frames that ${bridge.name} only passes on go through the firewall (${bridged.map((name) => `bridge-nf-call-${name}`).join(', ')})`,
        why: 'The firewall sees halves of connections between servers and their network, and may drop them as invalid.',
        mend: mendBy(...bridged.map((name) => sysctlCommand(`net/bridge/bridge-nf-call-${name}`, '0'))),
      });
    }
    const [count, most] = ['count', 'max'].map((name) =>
      numberAt(this.#seen.sysctls, `net/netfilter/nf_conntrack_${name}`),
    );
    if (count !== undefined && most !== undefined && most > 0 && count >= most * NEARLY_FULL) {
      this.findings.push({
        id: 'conntrack-full',
        severity: 'warning',
        what: `connection tracking has ${count} of at most ${most} entries`,
        why: 'Services do without it, but all else that begins is dropped when it is full: connections of the servers to others, too.',
        mend: mendBy(sysctlCommand('net/netfilter/nf_conntrack_max', String(most * 2))),
      });
    }
    this.findings.push(...examineOffload(this.#firewall ?? { flowtables: [] }, this.#seen.firewallConfiguration));
  }

  #examineServers(): void {
    for (const { name, address, device, resolves, path } of this.#seen.servers) {
      if (!resolves) {
        this.findings.push({
          id: 'server-silent',
          severity: 'error',
          what: `the server '${name}' does not answer ${address.family === 4 ? 'ARP' : 'neighbour solicitations'} for ${address.text} on ${device}`,
          why: 'The router does not know where to send what is for it.',
          advice: 'It is off, on another network, or has another address than the configuration says.',
        });
      }
      if (!path || !resolves) continue;
      if (!path.answers)
        this.unknown.add(`${name} answers no ping at ${address.text}, so that its MTU was not measured`);
      else if (path.largest < path.expected) {
        this.findings.push({
          id: 'path-mtu',
          severity: 'error',
          what: `packets of more than ${path.largest} bytes do not get to the server '${name}' (${address.text}), although ${device} takes ${path.expected}`,
          why: 'Uploads and long requests stop, since small packets get through and full ones do not.',
          mend: mendByHand(`ip link set dev ${device} mtu ${path.largest}`),
          advice:
            'Better: raise the MTU of the device of the server, or of what lies between, to that of all the others.',
        });
      }
    }
  }

  /** ARP and ND for the ghosts: nobody but this router may answer. */
  #examineClaims(): void {
    const names = new Map(
      this.#seen.servers.flatMap(({ hardware, name }) => (hardware ? [[hardware, name] as const] : [])),
    );
    const own = new Set(
      [...this.#seen.deployment.observation.environment.links.values()].map(({ hardware }) => hardware),
    );
    for (const { ghost, device, by } of this.#seen.claims) {
      const asks = ghost.family === 4 ? 'ARP' : 'neighbour solicitations';
      for (const hardware of by.filter((each) => !own.has(each))) {
        const server = names.get(hardware);
        const isAskedFor = devicesThatAnswer(ghost, this.#seen.deployment.observation.environment).some(
          ({ name }) => name === device,
        );
        const severity = isAskedFor || server === undefined ? 'error' : 'warning';
        if (server === undefined) {
          this.findings.push({
            id: 'ghost-claimed',
            severity,
            what: `somebody with the MAC address ${hardware} answers ${asks} for the ghost ${ghost.text} on ${device}`,
            why: 'Who asks there sends to that machine instead of to this router, or to one today and to the other tomorrow.',
            advice:
              'It has the address, or answers for all of a network (proxy ARP): find it by its MAC address in the switch.',
          });
        } else {
          this.findings.push({
            id: 'server-answers',
            severity,
            what: `the server '${server}' answers ${asks} for the ghost ${ghost.text} on ${device}`,
            why: 'Clients of its network all go to it, past the router.',
            mend: { ...mendByHand(`oneip doctor --name ${server} --fix`), on: server },
            advice:
              ghost.family === 4
                ? 'Without oneip there: sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2, and the ghost on lo.'
                : 'Without oneip there: the ghost belongs on lo, and on no other device.',
          });
        }
      }
    }
  }

  /** Rules of others that take the slow path's packets before ours do. */
  #examineRules({ service, servers }: DeployedService): void {
    const { markBase, rulePriority } = this.#seen.deployment;
    const mark = (markBase + (servers[0]?.number ?? 0)) >>> 0;
    for (const { family, rules, defaults } of this.#seen.routing) {
      if (!service.ghosts.some((ghost) => ghost.family === family) || !isRouted(service)) continue;
      const ours = rules.find((rule) => rule.protocol === ROUTE_PROTOCOL && rule.goto !== undefined);
      const limit = ours?.priority ?? rulePriority;
      const thief = rules.find(
        (rule) =>
          rule.priority < limit &&
          !rule.special &&
          rule.goto === undefined &&
          !looksUpLocal(rule) &&
          rule.protocol !== ROUTE_PROTOCOL &&
          (mark & rule.mask) >>> 0 === rule.mark &&
          defaults.has(rule.table),
      );
      if (!thief) continue;
      this.findings.push({
        id: 'rule-before',
        severity: 'error',
        what: `a rule of preference ${thief.priority} takes packets to the routing table ${thief.table} before the rules of oneip (${limit}) are asked`,
        why: 'Fragments and large packets go there instead of to the servers.',
        mend: mendByHand(
          `uci set oneip.globals.rule_priority=${Math.max(1, thief.priority - 1)}`,
          'uci commit oneip',
          'oneip reload',
        ),
      });
    }
  }

  /** A ghost has one route, whatever services it has: strict filtering elsewhere takes its answers for forged ones (RFC 3704). */
  #examineReversePath({ device, ghosts }: DeployedService): void {
    const { services, observation } = this.#seen.deployment;
    if (!observation.strictReversePath.has(device.name)) return;
    for (const { address, ownedBy } of ghosts) {
      const routed = services.find((other) =>
        other.ghosts.some((ghost) => ghost.address.text === address.text),
      )?.device;
      if (address.family === 6 || ownedBy !== undefined || !routed || routed.name === device.name) continue;
      this.findings.push({
        id: 'rp-filter',
        severity: 'error',
        what: `rp_filter is strict on ${device.name}, and the route to ${address.text} leads to ${routed.name}, where other servers have the same ghost`,
        why: `What servers on ${device.name} answer is dropped, since the kernel would not send to the ghost there.`,
        mend: mendBy(sysctlCommand(`net/ipv4/conf/${device.name}/rp_filter`, '2')),
      });
    }
  }

  #examineAnswers(): void {
    for (const { ghost, server, check, passed, reason } of this.#seen.answers) {
      if (passed) continue;
      const hasPort = this.#seen.deployment.services.some(({ service }) => firstTcpPort(service) !== undefined);
      const isRefused = hasPort && reason === 'connection refused';
      this.findings.push({
        id: 'no-answer',
        severity: 'error',
        what: `${server === undefined ? 'no server answers' : `the server '${server}' does not answer`} at ${ghost.text} ${check}: ${reason}`,
        why: isRefused
          ? 'It is there, and nobody waits for clients at the ghost.'
          : 'What clients send goes the same way, and gets as little of an answer.',
        ...(server === undefined
          ? { advice: "On each of the servers, 'oneip doctor' says why." }
          : { mend: { ...mendByHand(`oneip doctor --name ${server} --fix`), on: server } }),
      });
    }
  }
}
