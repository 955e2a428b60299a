import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { StripedLocks } from '../../../src/sessions/table/locks.ts';
import type { LockThreadData } from './lock-thread.ts';

const BASE = 3;
const COUNT = 8;

function shared(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * (BASE + COUNT + 2)));
}

function start(data: LockThreadData): Worker {
  return new Worker(new URL('./lock-thread.ts', import.meta.url), { workerData: data });
}

test('a lock has one owner at a time, and others can tell', () => {
  const words = shared();
  const one = new StripedLocks(words, BASE, COUNT, 2);
  const other = new StripedLocks(words, BASE, COUNT, 3);
  one.lock(5);
  assert.equal(other.tryLock(5), false);
  assert.equal(other.tryLock(4), true);
  assert.deepEqual([...words], [0, 0, 0, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0]);
  one.unlock(5);
  assert.equal(other.tryLock(5), true);
});

test('two locks are taken together, one when they are the same, and all are free again', () => {
  const words = shared();
  const locks = new StripedLocks(words, BASE, COUNT, 2);
  for (const [n, m] of [
    [1, 6],
    [6, 1],
    [4, 4],
  ] as const) {
    locks.lockTwo(n, m);
    assert.deepEqual([words[BASE + n], words[BASE + m]], [2, 2]);
    locks.unlockTwo(n, m);
    assert.ok(words.every((word) => word === 0));
  }
});

test('what one thread does under a lock, all see: no increment is lost, whichever two locks each took (deadlock would be an error)', async () => {
  const words = shared();
  const turns = 20_000;
  const threads = [2, 3, 4].map((owner) => start({ words, base: BASE, count: COUNT, owner, does: 'count', turns }));
  const codes = await Promise.all(threads.map(async (thread) => (await once(thread, 'exit'))[0]));
  assert.deepEqual(codes, [0, 0, 0]);
  assert.equal(words[BASE + COUNT], 3 * turns);
  assert.ok(words.subarray(BASE, BASE + COUNT).every((word) => word === 0));
});

test('the locks of a thread that was terminated are taken away, and whoever waits for one goes on (25)', async () => {
  const words = shared();
  const holder = start({ words, base: BASE, count: COUNT, owner: 2, does: 'hold', turns: 0 });
  await once(holder, 'message');
  const waiter = start({ words, base: BASE, count: COUNT, owner: 3, does: 'take', turns: 0 });
  // The waiter marks the lock before it sleeps.
  while ((Atomics.load(words, BASE + 1) & 0x40000000) === 0) await new Promise(setImmediate);
  await holder.terminate();
  const taken = once(waiter, 'message');
  assert.equal(new StripedLocks(words, BASE, COUNT, 1).releaseAll(2), 2);
  assert.deepEqual(await taken, ['taken']);
  assert.ok(words.every((word) => word === 0));
});

test('78: the supervisor waits for a lock that only it can take away less than makes its turn late, then hardly at all, and holds none after that', () => {
  const words = shared();
  new StripedLocks(words, BASE, COUNT, 2).lock(5);
  const supervisor = new StripedLocks(words, BASE, COUNT, 1);
  const busy = { code: 'SESSION_TABLE_BUSY', message: /owner 2 has held it for 6\d ms/ };
  assert.throws(() => supervisor.lock(5), busy);
  // The holder may spin for seconds, and whoever goes round all rows comes upon its lock again and again.
  const hasty = { code: 'SESSION_TABLE_BUSY', message: /owner 2 has held it for [45] ms/ };
  assert.throws(() => supervisor.lock(5), hasty);
  assert.throws(() => supervisor.lockTwo(2, 5), hasty);
  assert.equal(words[BASE + 2], 0);
  assert.equal(supervisor.releaseAll(2), 1);
  supervisor.lock(5);
  assert.equal(supervisor.releaseAll(2), 0);
});

test('an owner id that is used again while the locks of its last owner still stand is told so, not left to hang', () => {
  const words = shared();
  new StripedLocks(words, BASE, COUNT, 2).lock(5);
  const again = new StripedLocks(words, BASE, COUNT, 2);
  assert.throws(() => again.lock(5), { code: 'SESSION_TABLE_BUSY', message: /its own thread \(owner 2\)/ });
});
