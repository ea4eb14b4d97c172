import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { figure } from '../lab/scenario.ts';
import { buildImage } from './image.ts';
import { Machine, stockMachine } from './machine.ts';

// A virtual machine with Debian's stock kernel, software emulation: what needs a kernel with modules, such as VLANs, and the
// proof that the program runs on a kernel some years old.

/** Milliseconds; a boot takes about five seconds, the rest is TypeScript on an emulated processor. */
const PATIENCE = 240_000;

const network = ['veth', '8021q', 'bridge'];
const netfilter = [
  ...['nf_tables', 'nft_fwd_netdev', 'nft_hash', 'nft_ct', 'nft_objref', 'nft_reject_inet', 'nft_nat'],
  ...['nft_chain_nat', 'nft_masq', 'nf_conntrack_netlink'],
];

// The kernel is that of Debian's amd64.
const suite = process.arch === 'x64' ? test : test.skip;

suite('clients on a VLAN, on a stock kernel', async () => {
  const image = await buildImage({
    name: 'vlan',
    script: 'vlan.sh',
    modules: [...network, ...netfilter],
    programs: ['/usr/bin/curl'],
  });
  const machine = new Machine(stockMachine(image));
  const [text, verdict] = await machine.console.expect(/[^]*guest: (passed|failed)\n/, PATIENCE);
  for (const found of text.matchAll(/guest: (.*)/g)) figure(found[1] ?? '');
  assert.is(verdict, 'passed', text.slice(-3000));
  await machine.ended;
});

test.run();
