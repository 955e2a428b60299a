import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BootIds, BootNews } from '../../src/backends/boot-ids.ts';
import { SharedState } from '../../src/backends/shared-state.ts';

const SLOT = 2;

function open(): BootIds {
  const { layout, row } = new SharedState(SharedState.allocate(1, 4), 0);
  return new BootIds(layout, row);
}

/** What comes of an answer with this id, on a connection of now, to a request of the life that is now. Answers the news, and the life after it. */
function see(boots: BootIds, id: string, life: number): [news: number, life: number] {
  let now = life;
  const news = boots.see(SLOT, BootIds.hash(id), life, life, boots.flips(SLOT), (ended) => {
    now = ended + 1;
    return now;
  });
  return [news, now];
}

test('M1, 114: what is known of the ids of a backend is the same in the process that comes next', () => {
  const before = open();
  assert.equal(before.known(SLOT), null);
  assert.equal(before.version(SLOT), 0);
  assert.deepEqual(see(before, 'one', 1), [BootNews.first, 1]);
  assert.deepEqual(see(before, 'two', 1), [BootNews.another, 2]);
  const after = open();
  after.learn(SLOT, before.known(SLOT)!, 2, 2);
  assert.deepEqual(after.known(SLOT), before.known(SLOT));
  // The same process answers still; then another one: it was restarted while nobody looked.
  assert.deepEqual(see(after, 'two', 2), [BootNews.none, 2]);
  assert.deepEqual(see(after, 'three', 2), [BootNews.another, 3]);
  // One that was left in the time of the other process comes back.
  assert.deepEqual(see(after, 'one', 3), [BootNews.several, 3]);
  const third = open();
  third.learn(SLOT, after.known(SLOT)!, 3, 3);
  assert.equal(third.isOff(SLOT), true);
});

test('M1, 114: of two processes that see the same new id only one ends a life by it', () => {
  const [one, two] = [open(), open()];
  for (const boots of [one, two]) see(boots, 'old', 1);
  const [, life] = see(one, 'new', 1);
  assert.equal(life, 2);
  two.learn(SLOT, one.known(SLOT)!, 2, 2);
  assert.deepEqual(see(two, 'new', 2), [BootNews.none, 2]);
  // What the old process still answers on connections from before is known to be late.
  const late = two.see(SLOT, BootIds.hash('old'), 2, 2, 1, () => assert.fail('nothing ends'));
  assert.equal(late, BootNews.none);
  // Told again, and what is out of date, it changes nothing.
  const version = two.version(SLOT);
  two.learn(SLOT, one.known(SLOT)!, 2, 2);
  const stale = open();
  see(stale, 'old', 1);
  two.learn(SLOT, stale.known(SLOT)!, 1, 2);
  assert.equal(two.version(SLOT), version);
  assert.deepEqual(two.known(SLOT), one.known(SLOT));
});
