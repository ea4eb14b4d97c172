import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Handover } from '../../src/channel/handover.ts';
import { NOBODY } from '../../src/channel/message.ts';

const MEMBERS = ['anna', 'bert', 'cora'];
const ALL_THERE = { isGone: () => false, isIncomplete: false };
const without = (...gone: string[]) => ({ isGone: (server: string) => gone.includes(server), isIncomplete: false });

/** Owners by slot as a text: `ab-` is Anna's, Bert's and nobody's. */
function picture(handover: Handover): string {
  const { members, owners } = handover.announced();
  return [...owners].map((owner) => (owner === NOBODY ? '-' : (members[owner]?.[0] ?? '?'))).join('');
}

function want(handover: Handover, owners: string): void {
  handover.want(
    MEMBERS,
    Uint16Array.from(owners, (letter) => (letter === '-' ? NOBODY : 'abc'.indexOf(letter))),
  );
}

/** A table that everybody has as announced. */
function begun(owners: string): Handover {
  const handover = new Handover(owners.length);
  want(handover, owners);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), owners);
  for (const server of MEMBERS) handover.acknowledge(server, handover.version);
  return handover;
}

test('a slot is released first, and granted when its owner has let go', () => {
  const handover = begun('abca');
  want(handover, 'abcb');
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'abc-');
  assert.is(handover.released, 1);
  // Those who never had it need not be asked.
  for (const server of ['bert', 'cora']) handover.acknowledge(server, handover.version);
  assert.not.ok(handover.advance(ALL_THERE));
  handover.acknowledge('anna', handover.version);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'abcb');
  assert.ok(handover.isSettled);
});

test('who is gone is not waited for, and has a way to go when it is back', () => {
  const handover = begun('abca');
  want(handover, 'bbcb');
  assert.ok(handover.advance(without('anna')));
  assert.is(picture(handover), 'bbcb');
  want(handover, 'abca');
  handover.advance(ALL_THERE);
  assert.is(picture(handover), '-bc-');
  // What it acknowledged long ago says nothing of now.
  handover.acknowledge('anna', 1);
  assert.not.ok(handover.advance(ALL_THERE));
  handover.acknowledge('bert', handover.version);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'abca');
});

test('a change of mind before anybody has answered is no gap for who keeps the slot', () => {
  const handover = begun('abca');
  want(handover, 'abcb');
  handover.advance(ALL_THERE);
  want(handover, 'abca');
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'abca');
});

test('several former owners are all asked', () => {
  const handover = begun('a');
  want(handover, 'b');
  handover.advance(ALL_THERE);
  handover.acknowledge('anna', handover.version);
  handover.advance(ALL_THERE);
  assert.is(picture(handover), 'b');
  // Anna goes back to nothing newer than where she owned it: she is at version 2 and cannot own it. Bert has not answered.
  want(handover, 'c');
  handover.advance(ALL_THERE);
  assert.not.ok(handover.advance(ALL_THERE));
  handover.acknowledge('bert', handover.version);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'c');
});

test('at the start nothing is announced until everybody has told what it has, and that is respected', () => {
  const handover = new Handover(3);
  want(handover, 'abc');
  handover.acknowledge('anna', 0, Uint16Array.of(1, 0, 1));
  assert.not.ok(handover.advance({ ...ALL_THERE, isIncomplete: true }));
  assert.is(handover.version, 0);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'ab-');
  handover.acknowledge('anna', handover.version);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'abc');
});

test('where slots mean something else all are released, and granted when everybody has let go', () => {
  const handover = begun('abca');
  handover.reset(2);
  want(handover, 'ab');
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), '--');
  handover.acknowledge('anna', handover.version);
  handover.acknowledge('bert', handover.version);
  // A slot of now may overlap with one of Cora's.
  handover.advance(ALL_THERE);
  assert.is(picture(handover), '--');
  handover.acknowledge('cora', handover.version);
  assert.ok(handover.advance(ALL_THERE));
  assert.is(picture(handover), 'ab');
});

test.run();
