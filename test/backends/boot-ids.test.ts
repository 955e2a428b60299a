import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BootIds, BootNews } from '../../src/backends/boot-ids.ts';
import { BOOT_CELLS } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';

const SLOT = 2;

function open(): BootIds {
  const { layout, row } = new SharedState(SharedState.allocate(1, 4), 0);
  return new BootIds(layout, row);
}

/**
 * What comes of an answer with this id, on a connection of now, to a request of the life that is now. Answers the news,
 * and the life after it.
 */
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

const HASH = { a: BootIds.hash('a'), b: BootIds.hash('b'), c: BootIds.hash('c') };

/** Two threads, and a life that ends when they say so. */
function setUp() {
  const memory = SharedState.allocate(2, 8);
  const state = new SharedState(memory, -1);
  state.reset(SLOT, { admin: 'ready', weight: 1 });
  let life = 1;
  const see = (thread: number, id: keyof typeof HASH, { asked = life, openedAt = 0 } = {}): number =>
    new BootIds(new SharedState(memory, thread).layout, thread + 1).see(
      SLOT,
      HASH[id],
      asked,
      life,
      openedAt,
      () => ++life,
    );
  const ids = new BootIds(state.layout, 0);
  return { state, ids, see, life: () => life, end: () => void life++ };
}

test('L7: the lock of a thread that has died is not waited for without end by the one that is to clear it away', () => {
  const { see, life, ids, state } = setUp();
  see(0, 'a');
  // Worker 0 ended in the middle.
  state.layout.boot[SLOT * BOOT_CELLS] = 2;
  assert.deepEqual([ids.known(SLOT), see(-1, 'b'), life()], [null, BootNews.none, 1]);
  state.clearWorker(0);
  assert.deepEqual([see(-1, 'b'), life()], [BootNews.another, 2]);
});

test('M1: the first id is remembered, another one ends the life, once for all threads', () => {
  const { see, life, ids } = setUp();
  assert.equal(see(0, 'a'), BootNews.first);
  assert.equal(see(1, 'a'), BootNews.none);
  assert.equal(see(1, 'b'), BootNews.another);
  assert.equal(see(0, 'b'), BootNews.none);
  assert.deepEqual([life(), ids.flips(SLOT), ids.current(SLOT)], [2, 2, HASH.b]);
});

test('M1: an id that was left is late on a connection from before, and one of several processes on a new one', () => {
  const { see, life, ids } = setUp();
  see(0, 'a');
  see(0, 'b');
  assert.equal(see(0, 'a', { openedAt: 1 }), BootNews.none);
  assert.equal(ids.current(SLOT), HASH.b, 'it never becomes current again');
  assert.equal(see(0, 'a', { openedAt: ids.flips(SLOT) }), BootNews.several);
  assert.equal(ids.isOff(SLOT), true);
  assert.equal(see(1, 'c', { openedAt: ids.flips(SLOT) }), BootNews.none);
  assert.equal(life(), 2);
});

test('M1: a life that has ended by another sign does not end again by the id of the next process', () => {
  const { see, life, end } = setUp();
  see(0, 'a');
  end();
  assert.equal(see(0, 'a', { asked: 1 }), BootNews.none, 'an answer that was on its way');
  assert.equal(see(0, 'b'), BootNews.first);
  assert.equal(life(), 2);
  assert.equal(see(0, 'c'), BootNews.another);
  assert.equal(life(), 3);
});

test('M1: an operator who was wrong does not hide the next restart', () => {
  const { see, life, end } = setUp();
  see(0, 'a');
  end();
  see(0, 'a');
  assert.equal(see(0, 'b'), BootNews.another);
  assert.equal(life(), 3);
});

test('M1: of many ids the last ones are known to have been left', () => {
  const { ids, state } = setUp();
  const seeNth = (n: number): number =>
    ids.see(SLOT, BootIds.hash(`id-${n}`), n + 1, n + 1, ids.flips(SLOT), (life) => life + 1);
  for (let n = 0; n < 100; n++) seeNth(n);
  for (let n = 85; n < 99; n++) {
    const copy = new BootIds(state.layout, 1);
    assert.equal(
      copy.see(SLOT, BootIds.hash(`id-${n}`), 1, 1, 0, (life) => life),
      BootNews.none,
      `id-${n}`,
    );
  }
  assert.equal(seeNth(99), BootNews.none);
  assert.equal(ids.isOff(SLOT), false);
});

test('M1: a worker that dies leaves no lock, and a backend that takes the slot no id', () => {
  const { state, ids } = setUp();
  ids.see(SLOT, HASH.a, 1, 1, 0, (life) => life);
  const worker = new BootIds(state.layout, 2);
  assert.throws(() =>
    worker.see(SLOT, HASH.b, 1, 1, 0, () => {
      throw new Error('it dies');
    }),
  );
  state.clearWorker(0);
  state.reset(SLOT, { admin: 'ready', weight: 1 });
  assert.deepEqual([ids.current(SLOT), ids.known(SLOT)], [0n, null]);
});
