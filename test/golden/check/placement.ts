import type { CheckCase } from './case.ts';

const server = `
config server 'one'
	option service 'web dns'
	option address '192.168.1.11'
`;

/** Services whose connections are placed one by one, and what does not go with that. */
export const placementCases: readonly CheckCase[] = [
  {
    title: 'everything about placement that is right',
    uci: `config service 'web'
	list ghost '203.0.113.1'
	option port '443'
	option hash 'source_port'
	option scheduler 'random'
	option second_chance '1'

config service 'dns'
	list ghost '203.0.113.2'
	option proto 'udp'
	option scheduler 'round_robin'
	option flow_limit '4096'
	option flow_timeout '1d'
	option idle_timeout '30s'
	option all_down 'reject'
${server}
config globals 'globals'
	option key 'a-secret-of-sixteen-or-more'
`,
    problems: [],
  },
  {
    title: 'what means nothing where connections are remembered',
    uci: `config service 'web'
	list ghost '203.0.113.1'
	option scheduler 'random'
	option on_change 'reset'
	option on_failure 'drop'
	option drain_timeout '2h'
	option learn_time '1m'

config service 'dns'
	list ghost '203.0.113.2'
	option flow_limit '4096'
	option flow_timeout '1d'
${server}
config service 'nat'
	list ghost '203.0.113.3'
	option dispatch 'nat'
	option scheduler 'random'
	option flow_limit '4096'

config server 'two'
	option service 'nat'
	option address '192.168.1.12'
`,
    problems: [
      ...[
        [4, 'on_change'],
        [5, 'on_failure'],
        [6, 'drain_timeout'],
        [7, 'learn_time'],
      ].map(
        ([line, option]) =>
          `oneip:${line}: warning: service 'web': option '${option}' does not go with scheduler 'random' and is ignored, since every connection is remembered`,
      ),
      ...[
        [11, 'flow_limit'],
        [12, 'flow_timeout'],
      ].map(
        ([line, option]) =>
          `oneip:${line}: warning: service 'dns': option '${option}' does not go with scheduler 'hash' and is ignored`,
      ),
      "oneip:22: warning: service 'nat': option 'flow_limit' does not go with dispatch 'nat' and is ignored",
    ],
  },
];
