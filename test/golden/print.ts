import type { Json } from '../../src/ruleset/expression.ts';
import type { Ruleset, SlotMap, Table } from '../../src/ruleset/ruleset.ts';

/** A ruleset as text that a person can review in a diff. */
export function printRuleset({ tables }: Ruleset): string {
  return tables.map(printTable).join('\n');
}

function printTable({ family, chains, sets, slotMaps, counters }: Table): string {
  const lines = [`table ${family} oneip`];
  for (const { name, key, verdicts, marks, size, interval, timeout, elements } of sets) {
    const flags = `${interval ? ', interval' : ''}${timeout ? ', timeout' : ''}${size ? `, at most ${size}` : ''}`;
    const kind = verdicts ? 'map' : marks ? 'map to marks' : 'set';
    lines.push(`  ${kind} ${name} (${[key].flat().join(' . ')}${flags})`);
    for (const element of elements) lines.push(`    ${short(element)}`);
  }
  for (const map of slotMaps) lines.push(`  map ${map.name}${map.verdict ? ` (${map.verdict})` : ''}: ${shares(map)}`);
  lines.push(`  counters ${counters.join(' ')}`);
  for (const { name, hook, rules, records = [] } of chains) {
    const where = hook ? ` (${hook.type} ${hook.hook} ${hook.device ?? ''} ${hook.priority})` : '';
    lines.push(`  chain ${name}${where.replace('  ', ' ')}`);
    for (const { purpose, statements } of rules)
      lines.push(`    # ${purpose}`, ...statements.map((s) => `      ${short(s)}`));
    for (const { purpose, ...record } of records) lines.push(`    # ${purpose}`, `      ${JSON.stringify(record)}`);
  }
  return `${lines.join('\n')}\n`;
}

function shares({ slots, targets }: SlotMap): string {
  const count = (index: number) => slots.filter((owner) => owner === index).length;
  return targets.map((target, index) => `${target} ${count(index)}`).join(', ');
}

function short(value: Json): string {
  return JSON.stringify(value).replaceAll('"', '');
}
