import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { SharedState } from '../../src/backends/shared-state.ts';
import { Outlier } from '../../src/health/outlier.ts';
import { testPool } from '../backends/test-pool.ts';

const NOW = 1_700_000_000_000;

function setUp(count: number, passive: object = {}, workers = 2) {
  const backends = Array.from({ length: count }, (_, index) => ({ id: `b${index}` }));
  const { pool, memory, config } = testPool(backends, { health: { passive } }, workers);
  const states = Array.from({ length: workers }, (_, index) => new SharedState(memory, index));
  return { pool, memory, config, state: states[0]!, outliers: states.map((state) => new Outlier(pool, state)) };
}

test('a backend is ejected at the last of so many failures within the window, counted over all workers', () => {
  const { pool, state, outliers } = setUp(3, { failures: 5, window: '10s', eject: '30s' });
  const [a] = pool.backends;
  for (let i = 0; i < 4; i++) assert.equal(outliers[i % 2]!.record(a!, false, NOW + i), false);
  assert.equal(state.ejected(0), false);
  assert.equal(outliers[0]!.record(a!, false, NOW + 4), true);
  assert.equal(state.ejected(0), true);
  assert.equal(state.layout.ejectedUntil[0], NOW + 4 + 30_000);
  assert.equal(state.isOpen(1) && state.isOpen(2), true);
});

test('successes are not counted', () => {
  const { pool, state, outliers } = setUp(3, { failures: 1 });
  for (let i = 0; i < 50; i++) assert.equal(outliers[0]!.record(pool.backends[0]!, true, NOW), false);
  assert.equal(state.ejected(0), false);
});

test('failures that are older than the window are forgotten, those within nine tenths of it never', () => {
  const times = fc.array(fc.nat(3000), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(times, fc.integer({ min: 2, max: 6 }), (gaps, failures) => {
      const { pool, outliers } = setUp(3, { failures, window: '10s' });
      const seen: number[] = [];
      let now = NOW;
      for (const gap of gaps) {
        now += gap;
        seen.push(now);
        const within = (ms: number): number => seen.filter((at) => now - at < ms).length;
        const ejected = outliers[0]!.record(pool.backends[0]!, false, now);
        if (within(9000) >= failures) assert.ok(ejected);
        if (within(10_000) < failures) assert.ok(!ejected);
        if (ejected) return;
      }
    }),
  );
});

test('an ejection starts the count anew, and failures that come in after it do not prolong it', () => {
  const { pool, state, outliers } = setUp(3, { failures: 2 });
  const [a] = pool.backends;
  const fail = (now: number): boolean => outliers[0]!.record(a!, false, now);
  fail(NOW);
  assert.equal(fail(NOW), true);
  const until = state.layout.ejectedUntil[0];
  for (let i = 0; i < 10; i++) assert.equal(fail(NOW + 10), false);
  assert.equal(state.layout.ejectedUntil[0], until);
  state.setEjected(0, false);
  assert.equal(fail(NOW + 20), false);
  assert.equal(fail(NOW + 20), true);
});

test('never more than maxEjected of the pool are out, rounded down (behaviour 42)', () => {
  for (const [count, maxEjected, expected] of [
    [2, '50%', 1],
    [3, '50%', 1],
    [4, '50%', 2],
    [10, '29%', 2],
    [4, '10%', 0],
    [5, '100%', 4],
    [100, '29%', 29],
  ] as const) {
    const { pool, state, outliers } = setUp(count, { failures: 1, maxEjected });
    for (const backend of pool.backends) outliers[0]!.record(backend, false, NOW);
    assert.equal(pool.backends.filter(({ slot }) => state.ejected(slot)).length, expected, `${maxEjected} of ${count}`);
  }
});

test('the last backend that new sessions could go to is never ejected (behaviour 42)', () => {
  const { pool, state, outliers } = setUp(4, { failures: 1, maxEjected: '100%' });
  state.setHealth(1, 'down');
  state.setAdminState(2, 'drain');
  state.setAdminState(3, 'maintenance');
  assert.equal(outliers[0]!.record(pool.backends[0]!, false, NOW), false);
  state.setHealth(1, 'up');
  // The next failure is enough: the count was kept.
  assert.equal(outliers[0]!.record(pool.backends[0]!, false, NOW), true);
  assert.equal(outliers[0]!.record(pool.backends[1]!, false, NOW), false);
});

test('a single backend is never ejected (behaviour 42)', () => {
  const { pool, state, outliers } = setUp(1, { failures: 1, maxEjected: '100%' });
  for (let i = 0; i < 20; i++) outliers[0]!.record(pool.backends[0]!, false, NOW);
  assert.equal(state.isOpen(0), true);
});

test('very many failures do not overflow into another count', () => {
  const { pool, state, outliers } = setUp(2, { failures: 1_000_000, window: '10s' });
  state.layout.window.fill(0, 0, 10);
  outliers[0]!.record(pool.backends[0]!, false, NOW);
  const cell = state.layout.window.findIndex((value) => value !== 0);
  state.layout.window[cell] = state.layout.window[cell]! + 999_998 - 1;
  assert.equal(outliers[0]!.record(pool.backends[0]!, false, NOW), false);
  assert.equal(outliers[0]!.record(pool.backends[0]!, false, NOW), true);
});

test('a pool without passive health has no detector', () => {
  const { pool, state } = testPool([{ id: 'a' }], { health: { passive: null } });
  assert.throws(() => new Outlier(pool, state), /pool shop has no health.passive/);
});

test('threads that eject all backends at once leave what must be left (behaviour 42)', {
  timeout: 30_000,
}, async () => {
  const threads = 3;
  const { memory, config, pool } = setUp(6, { failures: 1, maxEjected: '50%' }, threads);
  const state = new SharedState(memory, -1);
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const slots = new Map(pool.backends.map(({ id, slot, generation }) => [`shop/${id}`, { slot, generation }]));
  const workers = Array.from(
    { length: threads },
    (_, worker) =>
      new Worker(new URL('./outlier-worker.ts', import.meta.url), {
        workerData: { memory, config, slots, worker, gate },
      }),
  );
  const exits = Promise.all(workers.map((worker) => once(worker, 'exit')));
  const results = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
  await exits;
  assert.ok(
    results.every((most) => most <= 3),
    results.join(' '),
  );
  assert.equal(pool.backends.filter(({ slot }) => state.ejected(slot)).length, 3);
});
