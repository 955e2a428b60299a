import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { BUCKETS_MS } from '../../src/metrics/buckets.ts';
import { CounterSums } from '../../src/metrics/counter-sums.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { OUTCOMES, Outcome } from '../../src/metrics/outcomes.ts';

function statuses(sums: CounterSums, pool: number, slot: number): Record<string, number> {
  const counts: Record<string, number> = {};
  sums.statuses(pool, slot, (code, count) => (counts[code] = count));
  return counts;
}

test('requests are counted by status, exactly, for each backend and for what limpet answered itself', () => {
  const memory = Counters.allocate(2, 2, 8, 1);
  const [first, second, sums] = [new Counters(memory, 0), new Counters(memory, 1), new CounterSums(memory)];
  first.request(0, 3, 200, 10, 100, 1);
  second.request(0, 3, 200, 5, 50, 1);
  second.request(0, 3, 599, 0, 0, 1);
  first.request(0, 3, 100, 0, 0, 1);
  first.request(1, -1, 503, 7, 70, 1);
  first.request(-1, -1, 404, 1, 2, 1);
  assert.deepEqual(statuses(sums, 0, 3), { 100: 1, 200: 2, 599: 1 });
  assert.deepEqual(statuses(sums, 1, -1), { 503: 1 });
  assert.deepEqual(statuses(sums, -1, -1), { 404: 1 });
  assert.deepEqual(statuses(sums, 0, -1), {});
  assert.deepEqual([sums.bytesIn(0, 3), sums.bytesOut(0, 3)], [15, 150]);
  assert.deepEqual([sums.bytesIn(1, -1), sums.bytesOut(-1, -1)], [7, 2]);
  assert.equal(sums.requests, 6);
});

test('a status that no specification knows is counted as other and touches no other counter', () => {
  const memory = Counters.allocate(1, 1, 2, 1);
  const [counters, sums] = [new Counters(memory, 0), new CounterSums(memory)];
  for (const status of [0, 99, 600, 999]) counters.request(0, 0, status, 0, 0, 1);
  assert.deepEqual(statuses(sums, 0, 0), { other: 4 });
  assert.deepEqual(statuses(sums, 0, 1), {});
  assert.deepEqual(statuses(sums, 0, -1), {});
});

test('every cell is apart from every other: a random mix of writes adds up like a plain map', () => {
  const write = fc.record({
    worker: fc.nat(2),
    pool: fc.integer({ min: -1, max: 2 }),
    slot: fc.integer({ min: -1, max: 4 }),
    status: fc.constantFrom(100, 200, 404, 599),
    outcome: fc.nat(OUTCOMES.length - 1),
    ms: fc.constantFrom(0, 1, 1.5, 59_999, 60_001),
    listener: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 60 }), (writes) => {
      const memory = Counters.allocate(3, 3, 5, 3);
      const counters = [0, 1, 2].map((worker) => new Counters(memory, worker));
      const expected = new Map<string, number>();
      const add = (key: string, by = 1) => expected.set(key, (expected.get(key) ?? 0) + by);
      for (const { worker, pool, slot, status, outcome, ms, listener } of writes) {
        const own = counters[worker]!;
        own.request(pool, slot, status, 1, 2, ms);
        add(slot < 0 ? `pool ${pool} ${status}` : `slot ${slot} ${status}`);
        add(`durations ${pool}`);
        if (slot >= 0) {
          own.backendResponse(slot, ms);
          add(`responses ${slot}`);
        }
        own.affinity(pool, outcome);
        add(`affinity ${pool} ${outcome}`);
        own.connectionOpened(listener);
        add(`connections ${listener}`);
      }
      const sums = new CounterSums(memory);
      const actual = new Map<string, number>();
      const note = (key: string, value: number) => value > 0 && actual.set(key, value);
      for (let pool = -1; pool < 3; pool++) {
        sums.statuses(pool, -1, (code, count) => note(`pool ${pool} ${code}`, count));
        note(`durations ${pool}`, sums.durations(pool).count);
        for (const i of OUTCOMES.keys()) note(`affinity ${pool} ${i}`, sums.affinity(pool, i));
      }
      for (let slot = 0; slot < 5; slot++) {
        sums.statuses(0, slot, (code, count) => note(`slot ${slot} ${code}`, count));
        note(`responses ${slot}`, sums.responses(slot).count);
      }
      for (let listener = 0; listener < 3; listener++) note(`connections ${listener}`, sums.connections(listener));
      assert.deepEqual(new Map([...actual].sort()), new Map([...expected].sort()));
    }),
    { numRuns: 60 },
  );
});

test('a time falls into the first bucket whose bound it does not exceed', () => {
  const memory = Counters.allocate(1, 1, 1, 1);
  const [counters, sums] = [new Counters(memory, 0), new CounterSums(memory)];
  for (const ms of [0.2, 1, 1.001, 60_000, 60_001]) counters.backendResponse(0, ms);
  const { cumulative, count, sumSeconds } = sums.responses(0);
  assert.equal(cumulative.length, BUCKETS_MS.length + 1);
  assert.deepEqual([cumulative[0], cumulative[1], cumulative.at(-2), cumulative.at(-1)], [2, 3, 4, 5]);
  assert.equal(count, 5);
  assert.ok(Math.abs(sumSeconds - 120.003_201) < 1e-9);
});

test('a clock that steps back or a time that is no number leaves the sum as it is', () => {
  const memory = Counters.allocate(1, 1, 1, 1);
  const [counters, sums] = [new Counters(memory, 0), new CounterSums(memory)];
  for (const ms of [5, -3, Number.NaN]) counters.backendResponse(0, ms);
  assert.deepEqual([sums.responses(0).count, sums.responses(0).sumSeconds], [3, 0.005]);
});

test('a worker that is started again goes on counting, and the connections of the one that died are gone (45, 69)', () => {
  const memory = Counters.allocate(2, 1, 1, 2);
  const sums = new CounterSums(memory);
  const dead = new Counters(memory, 0);
  const other = new Counters(memory, 1);
  dead.request(0, 0, 200, 0, 0, 1);
  dead.connectionOpened(1);
  dead.connectionOpened(1);
  dead.connectionClosed(1);
  other.connectionOpened(1);
  assert.equal(sums.connections(1), 2);
  sums.clearWorker(0);
  assert.equal(sums.connections(1), 1);
  const successor = new Counters(memory, 0);
  successor.request(0, 0, 200, 0, 0, 1);
  successor.connectionOpened(1);
  assert.equal(sums.connections(1), 2);
  assert.deepEqual(statuses(sums, 0, 0), { 200: 2 });
});

test('what another thread counts is seen here', async () => {
  const memory = Counters.allocate(2, 1, 4, 1);
  const source = `
    import { workerData } from 'node:worker_threads';
    const { Counters } = await import(workerData.module);
    const counters = new Counters(workerData.memory, 1);
    for (let i = 0; i < 1000; i++) counters.request(0, 2, 200, 1, 1, 1);
  `;
  const module = new URL('../../src/metrics/counters.ts', import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
    workerData: { memory, module },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.on('error', reject);
  worker.on('exit', () => resolve());
  await promise;
  assert.deepEqual(statuses(new CounterSums(memory), 0, 2), { 200: 1000 });
});

test('numbers out of range are refused where memory is laid out', () => {
  assert.throws(() => Counters.allocate(0, 1, 1, 1), RangeError);
  assert.throws(() => Counters.allocate(1, 1, 1.5, 1), RangeError);
  const memory = Counters.allocate(2, 1, 1, 1);
  assert.throws(() => new Counters(memory, 2), RangeError);
  assert.throws(() => new Counters(memory, -1), RangeError);
});

test('counters of slots that nobody uses cost no memory', () => {
  const before = process.memoryUsage.rss();
  const memory = Counters.allocate(16, 64, 4096, 4);
  const counters = new Counters(memory, 7);
  counters.request(1, 4000, 200, 1, 1, 1);
  assert.equal(new CounterSums(memory).requests, 1);
  assert.ok(memory.buffer.byteLength > 250 * 2 ** 20);
  assert.ok(process.memoryUsage.rss() - before < 60 * 2 ** 20);
});

test('the outcomes have their index in the list', () => {
  assert.deepEqual(
    OUTCOMES.map((name) => Outcome[name]),
    OUTCOMES.map((_, i) => i),
  );
});
