/** As libnftables lists it: what firewall4 does with a zone that is closed to what comes in by the device. */
export function closedTo(device: string): readonly object[] {
  const chain = { family: 'inet', table: 'fw4', chain: 'input' };
  const field = (name: string) => ({ payload: { protocol: 'icmpv6', field: name } });
  const set = (...elements: unknown[]) => ({ set: elements });
  const match = (left: object, right: unknown) => ({ match: { op: '==', left, right } });
  const types = set({ concat: ['nd-neighbor-solicit', 0] }, { concat: ['nd-neighbor-advert', 0] });
  return [
    { table: { family: 'inet', name: 'fw4' } },
    { chain: { family: 'inet', table: 'fw4', name: 'input', hook: 'input', prio: 0, policy: 'accept' } },
    {
      rule: {
        ...{ ...chain, handle: 6 },
        expr: [
          match({ '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, ['fin', 'syn', 'rst', 'ack']] }, 'syn'),
          { jump: { target: 'syn_flood' } },
        ],
      },
    },
    { chain: { family: 'inet', table: 'fw4', name: 'syn_flood' } },
    { rule: { ...chain, chain: 'syn_flood', handle: 4, expr: [{ limit: { rate: 25 } }, { return: null }] } },
    { rule: { ...chain, chain: 'syn_flood', handle: 5, expr: [{ drop: null }] } },
    { rule: { ...chain, handle: 7, expr: [match({ meta: { key: 'iif' } }, 'lo'), { accept: null }] } },
    {
      rule: {
        ...{ ...chain, handle: 8 },
        expr: [match({ concat: [field('type'), field('code')] }, types), { limit: { rate: 1000 } }, { accept: null }],
      },
    },
    { rule: { ...chain, handle: 9, expr: [match({ meta: { key: 'iifname' } }, device), { reject: null }] } },
  ];
}
