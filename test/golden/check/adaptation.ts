import type { CheckCase } from './case.ts';

function server(services: string): string {
  return `config server 'one'\n\toption service '${services}'\n\toption address '192.168.1.11'\n\n`;
}

function service(name: string, ghost: string, options: Readonly<Record<string, string>>, adapt = '1'): string {
  const lines = Object.entries(options).map(([option, value]) => `\toption ${option} '${value}'\n`);
  return `config service '${name}'\n\tlist ghost '${ghost}'\n\toption adapt '${adapt}'\n${lines.join('')}\n`;
}

const key = "config globals 'globals'\n\toption key 'a-secret-of-sixteen-or-more'\n";

/** Services whose slots follow the load, and where they do not. */
export const adaptationCases: readonly CheckCase[] = [
  {
    title: 'slots that follow the load, and a service without it',
    uci: [
      service('web', '203.0.113.1', {}),
      service('dns', '203.0.113.2', { dispatch: 'nat', proto: 'udp', port: '53' }),
      service('mail', '203.0.113.3', { dispatch: 'broadcast' }),
      service('files', '203.0.113.4', { scheduler: 'random' }, '0'),
      server('web dns mail files'),
      key,
    ].join(''),
    problems: [],
  },
  {
    title: 'slots that cannot follow the load, or had better not',
    uci: [
      service('web', '203.0.113.1', { scheduler: 'random' }),
      service('dns', '203.0.113.2', { on_change: 'reset' }),
      service('mail', '203.0.113.3', { slots: '512' }),
      service('files', '203.0.113.4', { dispatch: 'nat', scheduler: 'round_robin' }),
      server('web dns mail files'),
    ].join(''),
    problems: [
      "oneip:3: warning: service 'web': option 'adapt' does not go with scheduler 'random' and is ignored",
      "oneip:8: warning: service 'dns': option 'adapt' does reset the connections of each slot that it moves; accepted: on_change 'keep'",
      "oneip:13: warning: service 'mail': option 'adapt' has next to nothing to move with 512 slots; accepted: slots '4096'",
      "oneip:18: warning: service 'files': option 'adapt' does not go with scheduler 'round_robin' and is ignored",
    ],
  },
  {
    title: 'packets that nobody counts, and servers that tell nothing',
    uci: [
      service('web', '203.0.113.1', { dispatch: 'multicast' }),
      service('mail', '203.0.113.3', { dispatch: 'multicast' }),
      server('web mail'),
      "config watchdog 'busy'\n\toption type 'script'\n\toption script '/etc/oneip/busy'\n\toption service 'mail'\n",
    ].join(''),
    problems: [
      ...['web', 'mail'].map(
        (name, at) =>
          `oneip:${4 + 5 * at}: warning: service '${name}': option 'dispatch': 'multicast' without a key leaves the servers without word of the router: one that fails keeps its clients, and 'adapt' has no load that they report; accepted: option 'key' in the globals, the same on the router and all servers`,
      ),
    ],
  },
];
