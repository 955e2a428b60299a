import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import type { Key } from '../../src/keys/key.ts';
import { RateTable } from '../../src/limits/rate-table.ts';
import { collidingKeys, randomKeys } from '../sessions/random-keys.ts';
import type { RateThreadData } from './rate-thread.ts';

/** 50/s, burst 100. */
const INTERVAL = 20;
const BURST = 100;
/** Machine time after a month: large numbers have coarser fractions. */
const T = 2_592_000_123.456;

function table(keys = 1_000): RateTable {
  return new RateTable(RateTable.allocate(keys), 2);
}

function countPassed(takes: number, take: (n: number) => number): number {
  let passed = 0;
  for (let n = 0; n < takes; n++) if (take(n) === 0) passed++;
  return passed;
}

test('a burst passes at once, then as many as come back', () => {
  const rates = table();
  const [key, other] = randomKeys(2, 1) as [Key, Key];
  assert.equal(
    countPassed(200, () => rates.take(key, T, INTERVAL, BURST)),
    100,
  );
  const wait = rates.take(key, T, INTERVAL, BURST);
  assert.ok(Math.abs(wait - INTERVAL) < 0.01, `${wait} ms`);
  assert.ok(rates.take(key, T + wait - 1, INTERVAL, BURST) > 0);
  assert.equal(rates.take(key, T + wait, INTERVAL, BURST), 0);
  assert.equal(
    countPassed(200, () => rates.take(key, T + 1_000 + wait, INTERVAL, BURST)),
    50,
  );
  assert.equal(
    countPassed(300, () => rates.take(key, T + 60_000, INTERVAL, BURST)),
    100,
    'more than the burst never gathers',
  );
  assert.equal(rates.take(other, T, INTERVAL, BURST), 0, 'each key has its own');
});

test('a refused request takes nothing', () => {
  const rates = table();
  const key = randomKeys(1, 1)[0]!;
  assert.equal(rates.take(key, T, 1_000, 1), 0);
  for (let ms = 100; ms < 1_000; ms += 100) assert.ok(rates.take(key, T + ms, 1_000, 1) > 0);
  assert.equal(rates.take(key, T + 1_000, 1_000, 1), 0);
});

test('looking changes nothing, and says what a request would get', () => {
  const rates = table();
  const key = randomKeys(1, 1)[0]!;
  for (let n = 0; n < 500; n++) assert.equal(rates.peek(key, T, 1_000, 2), 0);
  rates.take(key, T, 1_000, 2);
  assert.equal(rates.peek(key, T, 1_000, 2), 0);
  rates.take(key, T, 1_000, 2);
  assert.equal(rates.peek(key, T, 1_000, 2), rates.take(key, T, 1_000, 2));
});

test('never more than the burst and what has come back pass, and what should pass does', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5_000 }),
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 40 })), { maxLength: 60 }),
      (interval, burst, steps) => {
        const rates = table(8);
        const key = randomKeys(1, 7)[0]!;
        const times: number[] = [];
        // The model: whole tokens, one each `interval` ms.
        let tokens = burst;
        let at = T;
        for (const [pause, requests] of steps) {
          at += pause;
          tokens = Math.min(burst, tokens + pause / interval);
          for (let n = 0; n < requests; n++) {
            const passed = rates.take(key, at, interval, burst) === 0;
            if (Math.abs(tokens - 1) > 0.01) assert.equal(passed, tokens > 1, `${tokens} tokens`);
            if (!passed) continue;
            tokens--;
            times.push(at);
          }
        }
        for (let i = 0; i < times.length; i++) {
          for (let j = i; j < times.length; j++) {
            const most = burst + (times[j]! - times[i]!) / interval;
            assert.ok(j - i + 1 <= most + 0.01, `${j - i + 1} passed, ${most} are the most`);
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('a clock that is set back makes nobody wait longer than for an empty bucket to fill', () => {
  const rates = table();
  const key = randomKeys(1, 1)[0]!;
  while (rates.take(key, T, INTERVAL, BURST) === 0);
  const earlier = T - 3_600_000;
  assert.ok(rates.take(key, earlier, INTERVAL, BURST) <= INTERVAL * (BURST + 1));
  assert.ok(rates.peek(key, earlier, INTERVAL, BURST) <= INTERVAL * (BURST + 1));
  assert.equal(rates.take(key, earlier + INTERVAL * (BURST + 1), INTERVAL, BURST), 0);
});

test('more keys than there is room for: whoever is over the limit stays so, and nobody is refused wrongly', () => {
  const rates = table(16);
  const [greedy, ...others] = collidingKeys(5_000) as [Key, ...Key[]];
  while (rates.take(greedy, T, INTERVAL, BURST) === 0);
  for (const key of others) assert.equal(rates.take(key, T, INTERVAL, BURST), 0);
  assert.ok(rates.take(greedy, T, INTERVAL, BURST) > 0);
});

test('cells whose bucket is full again make room first', () => {
  const rates = table(16);
  const keys = collidingKeys(16);
  for (const key of keys.slice(0, 7)) rates.take(key, T, INTERVAL, BURST);
  const used = keys[7]!;
  for (let n = 0; n < BURST; n++) assert.equal(rates.take(used, T, INTERVAL, BURST), 0);
  for (const key of keys.slice(8, 15)) rates.take(key, T + 2 * INTERVAL, INTERVAL, BURST);
  for (const key of keys.slice(8, 15))
    assert.equal(
      countPassed(200, () => rates.take(key, T + 2 * INTERVAL, INTERVAL, BURST)),
      99,
      'what was taken is remembered',
    );
  assert.equal(
    countPassed(200, () => rates.take(used, T + 2 * INTERVAL, INTERVAL, BURST)),
    2,
  );
});

async function start(data: RateThreadData): Promise<Worker> {
  const thread = new Worker(new URL('./rate-thread.ts', import.meta.url), { workerData: data });
  await once(thread, 'message');
  return thread;
}

test('threads that take from the same buckets at once get exactly the burst together', async () => {
  const keys = 50;
  const memory = RateTable.allocate(1_000);
  const flags = new Int32Array(new SharedArrayBuffer(16));
  const threads = await Promise.all(
    [2, 3, 4].map((owner) => start({ memory, owner, keys, takes: 150, interval: 1e9, burst: BURST, now: T, flags })),
  );
  const answers = Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0] as number[]));
  const ended = Promise.all(threads.map((thread) => once(thread, 'exit')));
  Atomics.store(flags, 0, 1);
  Atomics.notify(flags, 0);
  const passed = await answers;
  await ended;
  for (let n = 0; n < keys; n++) {
    assert.equal(
      passed.reduce((sum, ofThread) => sum + ofThread[n]!, 0),
      BURST,
      `key ${n}`,
    );
  }
});

test('a thread that is terminated in the midst of it stops nobody, and leaves the buckets right (69)', async () => {
  const memory = RateTable.allocate(8);
  const rates = new RateTable(memory, 1);
  const key = randomKeys(1, 1)[0]!;
  for (let round = 0; round < 4; round++) {
    const flags = new Int32Array(new SharedArrayBuffer(16));
    const victim = await start({
      memory,
      owner: 2,
      keys: 1,
      takes: Number.POSITIVE_INFINITY,
      interval: 1e9,
      burst: BURST,
      now: T,
      flags,
    });
    Atomics.store(flags, 0, 1);
    Atomics.notify(flags, 0);
    while (Atomics.load(flags, 1) < 20_000) await new Promise(setImmediate);
    await victim.terminate();
    rates.releaseLocks(2);
    assert.ok(rates.take(key, T, 1e9, BURST) > 0);
  }
  assert.equal(rates.take(key, T + 1e9 + 1, 1e9, BURST), 0);
});
