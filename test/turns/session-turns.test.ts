import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { DeadTurns } from '../../src/turns/dead-turns.ts';
import { Taken } from '../../src/turns/session-turns.ts';
import { allocateTurns } from '../../src/turns/turns-memory.ts';
import { eventually } from '../support/eventually.ts';
import { keyOf, TurnLog } from './turn-log.ts';
import type { TurnThreadData } from './turn-thread.ts';

function start(data: TurnThreadData): Worker {
  return new Worker(new URL('./turn-thread.ts', import.meta.url), { workerData: data });
}

/** Settles when the thread says so. To be called before it can have said it. */
function says(thread: Worker, word: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  thread.on('message', (said) => {
    if (said === word) resolve();
  });
  thread.on('error', reject);
  return promise;
}

/** Two workers in this thread, over the same memory. */
function pair(nodes = 64) {
  const memory = allocateTurns(2, nodes);
  const log: string[] = [];
  const dead = new DeadTurns(memory);
  return { memory, log, dead, one: new TurnLog(memory, 0, log), two: new TurnLog(memory, 1, log) };
}

test('requests of a session have their turn one at a time, in order of arrival over two workers', async () => {
  const { log, dead, one, two } = pair();
  const sides = [one, two, two, one, two, one, one];
  const requests = sides.map((side, i) => ({ side, turn: side.request(String(i)) }));
  assert.deepEqual(
    requests.map(({ side, turn }) => side.turns.take(turn, keyOf(1), 0, 10, 1_000)),
    [Taken.now, ...new Array<number>(6).fill(Taken.waits)],
  );
  for (const [i, { side, turn }] of requests.entries()) {
    await eventually(`turn ${i}`, () => log.length === i);
    await new Promise(setImmediate);
    assert.deepEqual(
      log,
      Array.from({ length: i }, (_, n) => String(n + 1)),
    );
    side.turns.leave(turn);
  }
  assert.deepEqual([one.turns.waiting, two.turns.waiting, dead.used], [0, 0, 0]);
});

test('sessions do not wait for each other, also when they fall on one chain', () => {
  const { one, two } = pair();
  assert.equal(one.turns.take(one.request('a'), keyOf(1), 0, 0, 0), Taken.now);
  assert.equal(two.turns.take(two.request('b'), keyOf(2), 0, 0, 0), Taken.now);
  assert.equal(two.turns.take(two.request('c'), keyOf(1, 9), 0, 0, 0), Taken.now);
  assert.equal(two.turns.take(two.request('d'), keyOf(1), 0, 0, 0), Taken.full);
});

test('so many may wait and no more, over both workers; when one has gone there is room again', () => {
  const { one, two } = pair();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => one.request(name));
  assert.equal(one.turns.take(a!, keyOf(1), 0, 2, 0), Taken.now);
  assert.equal(one.turns.take(b!, keyOf(1), 0, 2, 0), Taken.waits);
  assert.equal(two.turns.take(c!, keyOf(1), 0, 2, 0), Taken.waits);
  assert.equal(two.turns.take(d!, keyOf(1), 0, 2, 0), Taken.full);
  one.turns.leave(b!);
  assert.equal(two.turns.take(d!, keyOf(1), 0, 2, 0), Taken.waits);
});

test('without memory for another one it says that it is full, and nothing is lost', () => {
  const { one, dead } = pair(2);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => one.request(name));
  one.turns.take(a!, keyOf(1), 0, 10, 0);
  one.turns.take(b!, keyOf(1), 0, 10, 0);
  assert.equal(one.turns.take(c!, keyOf(1), 0, 10, 0), Taken.full);
  assert.equal(c!.node, 0);
  one.turns.leave(b!);
  assert.equal(one.turns.take(c!, keyOf(1), 0, 10, 0), Taken.waits);
  one.turns.leave(a!);
  one.turns.leave(c!);
  assert.deepEqual([dead.used, one.turns.waiting], [0, 0]);
});

test('who leaves while it waits is never called, and the others keep their order', async () => {
  const { log, one, two } = pair();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => two.request(name));
  one.turns.take(a!, keyOf(1), 0, 10, 1_000);
  for (const turn of [b!, c!, d!]) two.turns.take(turn, keyOf(1), 0, 10, 1_000);
  two.turns.leave(b!);
  two.turns.leave(b!);
  one.turns.leave(a!);
  // It has been given the turn, and has not been told yet.
  two.turns.leave(c!);
  await eventually('the last one', () => log.length > 0);
  assert.deepEqual(log, ['d']);
  assert.equal(two.turns.waiting, 0);
});

test('who has waited until the deadline is sent away; who has the turn by then has it', async () => {
  const { log, one, two } = pair();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => one.request(name));
  two.turns.take(a!, keyOf(1), 0, 10, 500);
  one.turns.take(b!, keyOf(1), 0, 10, 500);
  one.turns.take(c!, keyOf(1), 0, 10, 501);
  one.turns.tick(499);
  assert.deepEqual(log, []);
  one.turns.tick(500);
  assert.deepEqual(log, ['b timed out']);
  two.turns.leave(a!);
  one.turns.tick(501);
  assert.deepEqual(log, ['b timed out', 'c']);
  await new Promise(setImmediate);
  assert.equal(log.length, 2);
  one.turns.leave(c!);
});

test('a session that is given another key takes its turns along', async () => {
  for (const to of [keyOf(2), keyOf(1, 5)]) {
    const { log, dead, one, two } = pair();
    const [a, b, c, other] = ['a', 'b', 'c', 'other'].map((name) => two.request(name));
    two.turns.take(other!, keyOf(1, 9), 0, 10, 1_000);
    one.turns.take(a!, keyOf(1), 0, 10, 1_000);
    two.turns.take(b!, keyOf(1), 0, 10, 1_000);
    one.turns.rename(a!, to);
    one.turns.rename(a!, to);
    assert.deepEqual([one.turns.isOf(a!, keyOf(1)), one.turns.isOf(a!, to)], [false, true]);
    assert.equal(one.turns.take(c!, to, 0, 10, 1_000), Taken.waits);
    one.turns.leave(a!);
    await eventually('the one that waited under the old key', () => log.length === 1);
    two.turns.leave(b!);
    await eventually('the one that came with the new key', () => log.length === 2);
    assert.deepEqual(log, ['b', 'c']);
    one.turns.leave(c!);
    assert.equal(dead.used, 1);
  }
});

test('what a worker held that died goes to the next one, whatever waited there is gone, and its successor begins clean', async () => {
  const { memory, log, dead, one, two } = pair();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => two.request(name));
  one.turns.take(a!, keyOf(1), 0, 10, 1_000);
  one.turns.take(b!, keyOf(1), 0, 10, 1_000);
  two.turns.take(c!, keyOf(1), 0, 10, 1_000);
  one.turns.take(d!, keyOf(2), 0, 10, 1_000);
  dead.clearWorker(0);
  await eventually('its turn', () => log.length > 0);
  assert.deepEqual(log, ['c']);
  assert.equal(dead.used, 1);
  const again = new TurnLog(memory, 0, log);
  const e = again.request('e');
  assert.equal(again.turns.take(e, keyOf(1), 0, 10, 1_000), Taken.waits);
  two.turns.leave(c!);
  // The dead one's listener lives on in this thread and may take the hint away: what is left then is the tick.
  await eventually('the turn of its successor', () => {
    again.turns.tick(0);
    return log.length > 1;
  });
  assert.deepEqual(log, ['c', 'e']);
  again.turns.leave(e);
  assert.equal(dead.used, 0);
});

test('a chain that a second dead worker has locked is cleared when that lock is gone, and the successor of the first keeps its turns', async () => {
  const { memory, log, dead, one, two } = pair();
  one.turns.take(one.request('a'), keyOf(1), 0, 10, 1_000);
  // Owner 3 is worker 1: it died with the lock of the chain.
  const locks = new Int32Array(memory.chains.buffer);
  const lock = 16 + (1 & (memory.chains.stripes - 1));
  locks[lock] = 3;
  dead.clearWorker(0);
  assert.equal(dead.used, 1, 'the supervisor does not wait for ever');
  const again = new TurnLog(memory, 0, log);
  assert.equal(again.turns.take(again.request('b'), keyOf(2), 0, 10, 1_000), Taken.now);
  locks[lock] = 0;
  dead.sweep();
  assert.equal(dead.used, 1);
  assert.equal(two.turns.take(two.request('c'), keyOf(1), 0, 10, 1_000), Taken.now);
  assert.equal(two.turns.take(two.request('d'), keyOf(2), 0, 10, 1_000), Taken.waits);
});

test('waiting requests are counted by pool', () => {
  const { dead, one, two } = pair();
  const counts = new Map<number, number>();
  const count = (): number[][] => {
    counts.clear();
    dead.waiting((pool, n) => counts.set(pool, n));
    return [...counts].sort();
  };
  assert.deepEqual(count(), []);
  one.turns.take(one.request('a'), keyOf(1), 3, 10, 0);
  for (const name of ['b', 'c']) two.turns.take(two.request(name), keyOf(1), 3, 10, 0);
  one.turns.take(one.request('d'), keyOf(2), 0xffff, 10, 0);
  one.turns.take(one.request('e'), keyOf(2), 0xffff, 10, 0);
  assert.deepEqual(count(), [
    [3, 2],
    [0xffff, 1],
  ]);
});

test('many waiting requests of one worker all have their turn', async () => {
  const { log, dead, one, two } = pair(4_000);
  const first = one.request('first');
  one.turns.take(first, keyOf(0), 0, 10_000, 1_000);
  const waiting = Array.from({ length: 2_500 }, (_, i) => two.request(String(i)));
  for (const turn of waiting) two.turns.take(turn, keyOf(0), 0, 10_000, 1_000);
  one.turns.leave(first);
  for (const [i, turn] of waiting.entries()) {
    // The first one is rung from the other worker.
    while (log.length === i) await new Promise(setImmediate);
    two.turns.leave(turn);
  }
  assert.deepEqual(
    log,
    waiting.map((_, i) => String(i)),
  );
  assert.equal(dead.used, 0);
});

test('threads that count under turns lose no count, and neither does a thread that is terminated stop the others', async (t) => {
  const memory = allocateTurns(3, 256);
  const dead = new DeadTurns(memory);
  const numbers = new Int32Array(new SharedArrayBuffer(4 * 3));
  const ROUNDS = 1_500;
  const counting = [0, 1].map((worker) => start({ memory, worker, does: 'count', numbers, rounds: ROUNDS }));
  t.after(() => Promise.all(counting.map((thread) => thread.terminate())));
  await Promise.all(counting.map((thread) => says(thread, 'done')));
  assert.equal(
    numbers.reduce((sum, number) => sum + number, 0),
    2 * ROUNDS,
  );
  assert.equal(dead.used, 0);

  // Now with one that dies in the midst of it, again and again.
  const others = [0, 1].map((worker) => start({ memory, worker, does: 'count', numbers, rounds: ROUNDS }));
  t.after(() => Promise.all(others.map((thread) => thread.terminate())));
  const done = Promise.all(others.map((thread) => says(thread, 'done')));
  for (let round = 0; round < 8; round++) {
    const dying = start({ memory, worker: 2, does: 'churn', numbers, rounds: 0 });
    await says(dying, 'runs');
    await new Promise((resolve) => setTimeout(resolve, round));
    await dying.terminate();
    dead.clearWorker(2);
  }
  await done;
  assert.ok(Math.abs(dead.used) <= 8, `${dead.used} nodes were lost with 8 threads`);
});

test('a turn that another thread holds goes to this one when that thread is terminated', async () => {
  const { memory, log, dead, two } = pair();
  const holder = start({ memory, worker: 0, does: 'hold', numbers: new Int32Array(1), rounds: 0 });
  assert.deepEqual(await once(holder, 'message'), ['has it']);
  const waiting = two.request('b');
  assert.equal(two.turns.take(waiting, keyOf(1), 0, 10, Infinity), Taken.waits);
  await holder.terminate();
  dead.clearWorker(0);
  await eventually('its turn', () => log.length > 0);
  two.turns.leave(waiting);
  assert.equal(dead.used, 0);
});
