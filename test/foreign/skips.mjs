/**
 * What is left out: in which file, of which targets, which tests (absent: all of the file), and why. User emulation hands
 * system calls to this machine's kernel, in this machine's order of bytes; what it does not know how to translate, it
 * refuses. A router's own kernel, or a virtual machine with one, has to show that these hold.
 */
export const skips = [
  ...['local-rule', 'own-addresses', 'neighbour', 'network', 'nft-events', 'slot-elements', 'probe-server-watch'].map(
    (name) => ({
      file: `test/runtime/${name}.test.ts`,
      targets: ['aarch64', 'mips'],
      reason: 'the emulator does not translate netlink',
    }),
  ),
  {
    file: 'test/runtime/netlink.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'the emulator does not translate netlink',
    names: [
      'a dump of thousands of objects is whole, and of one table where asked',
      'a refusal has the kernel’s number and words, and the channel goes on',
      'changes by others are heard, each as what it is',
      'what a channel of ours has changed is not told',
      'a flood of routes by others is not received at all',
      'events that find no room are told as lost',
      'how quickly an event arrives',
      'listening sockets of this router',
    ],
  },
  {
    file: 'test/runtime/datagram.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'the emulator does not know these options of sockets',
    names: [
      'a packet socket sees what goes over the loopback, through a filter',
      'a packet can be sent to a hardware address',
      'options are set and read back',
      'a multicast group is joined',
    ],
  },
  {
    file: 'test/runtime/spawn.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'the emulator’s vfork shares no memory, so that the parent does not learn why exec failed',
    names: ['a program that is not there, or may not be run', 'children leave neither descriptors nor zombies'],
  },
  {
    file: 'test/runtime/service-hotplug.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'the emulator’s vfork shares no memory, so that the parent does not learn why exec failed',
    names: ['scripts that complain, hang, or cannot be started are told in the log, and stop nothing'],
  },
  {
    file: 'test/runtime/interrupt.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'it preloads a library that is made for this machine',
  },
  {
    file: 'test/runtime/nft.test.ts',
    targets: ['x86_64', 'aarch64', 'mips'],
    reason: 'Debian has no libnftables for this target',
    names: [
      'a transaction is done, and listed',
      'a failed transaction changes nothing, says why, and the next one is not troubled by it',
      'a change made by somebody else is seen',
      'what is no JSON object is refused, and no command of the nft language is run',
      'a terse listing has no elements',
      'a map of 4096 elements is loaded, twenty times, and the memory is given back',
      'wrong arguments',
    ],
  },
  {
    file: 'test/runtime/nft-events.test.ts',
    targets: ['x86_64'],
    reason: 'Debian has no libnftables for this target',
    names: [
      'our own transactions are not told, whatever their size',
      'named counters of our tables, those of one name added up',
      'a refused transaction is nobody’s change',
      'a table of ours that somebody deletes is told at once, in every family',
      '`nft flush ruleset` is told, among all the others’ tables',
      'a rule that somebody puts into a chain of ours is told',
      'what others commit during our transaction is told as unheard, afterwards',
    ],
  },
  {
    file: 'test/runtime/tally.test.ts',
    targets: ['aarch64', 'mips'],
    reason: 'the emulator offers no netlink of netfilter',
    names: ['tracked connections that are live, by server', 'flows that are live, by mark'],
  },
  {
    file: 'test/runtime/slot-elements.test.ts',
    targets: ['x86_64'],
    reason: 'Debian has no libnftables for this target',
  },
];
