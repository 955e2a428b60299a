import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { SharedState } from '../../src/backends/shared-state.ts';
import { Accusers } from '../../src/health/accusers.ts';
import { Evidence } from '../../src/health/evidence.ts';
import { type Accuser, Outlier } from '../../src/health/outlier.ts';
import { testPool } from '../backends/test-pool.ts';

const NOW = 1_700_000_000_000;
const NOBODY: Accuser = { session: 0, began: 0, address: 0 };

function setUp(count: number, passive: object = {}, workers = 2, more: object = {}) {
  const backends = Array.from({ length: count }, (_, index) => ({ id: `b${index}` }));
  const { pool, memory, config } = testPool(backends, { health: { passive, ...more } }, workers);
  const states = Array.from({ length: workers }, (_, index) => new SharedState(memory, index));
  return { pool, memory, config, state: states[0]!, outliers: states.map((state) => new Outlier(pool, state)) };
}

test('a backend is ejected at the last of so many failures within the window, counted over all workers', () => {
  const { pool, state, outliers } = setUp(3, { failures: 5, window: '10s', eject: '30s' });
  const [a] = pool.backends;
  for (let i = 0; i < 4; i++) assert.equal(outliers[i % 2]!.record(a!, Evidence.connect, NOBODY, NOW + i), false);
  assert.equal(state.ejected(0), false);
  assert.equal(outliers[0]!.record(a!, Evidence.connect, NOBODY, NOW + 4), true);
  assert.equal(state.ejected(0), true);
  assert.equal(state.layout.ejectedUntil[0], NOW + 4 + 30_000);
  assert.equal(state.isOpen(1) && state.isOpen(2), true);
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
        const ejected = outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, now);
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
  const fail = (now: number): boolean => outliers[0]!.record(a!, Evidence.connect, NOBODY, now);
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
    for (const backend of pool.backends) outliers[0]!.record(backend, Evidence.connect, NOBODY, NOW);
    assert.equal(pool.backends.filter(({ slot }) => state.ejected(slot)).length, expected, `${maxEjected} of ${count}`);
  }
});

test('the last backend that new sessions could go to is never ejected (behaviour 42)', () => {
  const { pool, state, outliers } = setUp(4, { failures: 1, maxEjected: '100%' });
  state.setHealth(1, 'down');
  state.setAdminState(2, 'drain');
  state.setAdminState(3, 'maintenance');
  assert.equal(outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW), false);
  state.setHealth(1, 'up');
  // The next failure is enough: the count was kept.
  assert.equal(outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW), true);
  assert.equal(outliers[0]!.record(pool.backends[1]!, Evidence.connect, NOBODY, NOW), false);
});

test('a single backend is never ejected (behaviour 42)', () => {
  const { pool, state, outliers } = setUp(1, { failures: 1, maxEjected: '100%' });
  for (let i = 0; i < 20; i++) outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW);
  assert.equal(state.isOpen(0), true);
});

test('very many failures do not overflow into another count', () => {
  const { pool, state, outliers } = setUp(2, { failures: 1_000_000, window: '10s' });
  state.layout.window.fill(0n, 0, 10);
  outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW);
  const cell = state.layout.window.findIndex((value) => value !== 0n);
  state.layout.window[cell] = state.layout.window[cell]! + 999_998n - 1n;
  assert.equal(outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW), false);
  assert.equal(outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, NOW), true);
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

test('H3: only failures within the window count, however far apart the others are and whichever way the clock goes', () => {
  const year = 365 * 86_400_000;
  // Also what a narrow number of a part would take for the same: powers of two of parts.
  const part = fc.integer({ min: 8, max: 44 }).map((bits) => 1000 * 2 ** bits);
  const leap = fc.oneof(
    fc.nat(4000),
    fc.nat(20 * year),
    part,
    fc.nat(2 * year).map((ms) => -ms),
  );
  fc.assert(
    fc.property(fc.array(leap, { minLength: 1, maxLength: 40 }), fc.integer({ min: 2, max: 5 }), (leaps, failures) => {
      const { pool, outliers } = setUp(3, { failures, window: '10s' });
      const seen: number[] = [];
      let now = NOW;
      for (const ms of leaps) {
        now = Math.max(1, now + ms);
        if (now > 2 ** 43) now = NOW;
        seen.push(now);
        const near = seen.filter((at) => Math.abs(now - at) < 10_000).length;
        if (outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, now)) {
          assert.ok(near >= failures, `${near} of ${failures} at ${now}`);
          return;
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('H3: four failures and one 2,048 parts of the window later are one', () => {
  const { pool, state, outliers } = setUp(3, { failures: 5, window: '10s' });
  const fail = (now: number) => outliers[0]!.record(pool.backends[0]!, Evidence.connect, NOBODY, now);
  for (let i = 0; i < 4; i++) fail(NOW);
  assert.equal(fail(NOW + 2_048 * 1_000), false);
  assert.equal(state.ejected(0), false);
});

test('H2: what a request can provoke counts once for each session and window, without one once for each address', () => {
  for (const evidence of [Evidence.request, Evidence.status]) {
    const { pool, outliers } = setUp(3, { failures: 3, window: '10s' });
    const [a] = pool.backends;
    const fail = (accuser: Partial<Accuser>, at = 0) =>
      outliers[at % 2]!.record(a!, evidence, { ...NOBODY, ...accuser }, NOW + at);
    for (let n = 0; n < 50; n++) assert.equal(fail({ session: 1, address: 1 }, n), false);
    for (let n = 0; n < 50; n++) assert.equal(fail({ address: 1 }, n), false);
    for (let n = 0; n < 50; n++) assert.equal(fail({ address: 2 }, n), false);
    // The third who has nothing to do with the two.
    assert.equal(fail({ session: 2, address: 2 }, 60), true);
  }
});

test('H2: a session that began after its address was counted is the same client with another cookie', () => {
  const { pool, outliers } = setUp(3, { failures: 2, window: '10s' });
  const [a] = pool.backends;
  const fail = (session: number, began: number, now: number) =>
    outliers[0]!.record(a!, Evidence.status, { session, began, address: 7 }, now);
  assert.equal(fail(1, NOW - 1, NOW), false);
  for (let n = 2; n < 60; n++) assert.equal(fail(n, NOW + n - 1, NOW + n), false);
  // One that was there before is somebody else behind the same address.
  assert.equal(fail(100, NOW - 1_000, NOW + 100), true);
});

test('H2: a session that gets another id is counted no second time, and in the next window it is', () => {
  const { pool, outliers } = setUp(3, { failures: 2, window: '10s' });
  const [a] = pool.backends;
  const fail = (session: number, now: number) =>
    outliers[0]!.record(a!, Evidence.request, { session, began: 1, address: session }, now);
  fail(1, NOW);
  outliers[1]!.renamed(a!, 1, 2, NOW + 1);
  assert.equal(fail(2, NOW + 2), false);
  assert.equal(fail(1, NOW + 10_500), false, 'the first count is forgotten by now');
  assert.equal(fail(3, NOW + 10_501), true);
});

test('H2: while probes find the backend well statuses do not count, and connects that fail do', () => {
  const { pool, state, outliers } = setUp(3, { failures: 2 }, 2, { active: {} });
  const [a] = pool.backends;
  const fail = (evidence: number, n: number) =>
    outliers[0]!.record(a!, evidence, { session: n, began: 1, address: n }, NOW);
  state.setHealth(0, 'up');
  for (let n = 1; n < 20; n++) assert.equal(fail(Evidence.status, n), false);
  assert.equal(fail(Evidence.connect, 1), false);
  assert.equal(fail(Evidence.connect, 1), true);
});

test('H2: of several threads that count one session at once one counts it', { timeout: 30_000 }, async () => {
  const cells = new BigInt64Array(new SharedArrayBuffer(8 * 8_192));
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from(
    { length: 3 },
    () => new Worker(new URL('./accusers-worker.ts', import.meta.url), { workerData: { cells, gate, threads: 3 } }),
  );
  const told = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as number));
  assert.equal(
    told.reduce((sum, count) => sum + count),
    2_000,
  );
});

test('H2: a clock that is set back does not make everybody count again and again', () => {
  const accusers = new Accusers(new BigInt64Array(8));
  const future = NOW + 3_600_000;
  for (let who = 1; who <= 8; who++) assert.equal(accusers.note(0, who, future, 10_000), true);
  for (let who = 11; who <= 18; who++) assert.equal(accusers.note(0, who, NOW, 10_000), true);
  for (let who = 11; who <= 18; who++) assert.equal(accusers.note(0, who, NOW + 1, 10_000), false, `${who}`);
});
