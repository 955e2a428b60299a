import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { type AdminState, type Health, SharedState } from '../../src/backends/shared-state.ts';
import { ERROR_CODES } from '../../src/errors.ts';

const READY = { admin: 'ready', weight: 1 } as const;

test('a backend that takes a slot is unknown, ready, open, and all its counts are zero', () => {
  const state = new SharedState(SharedState.allocate(1, 4), -1, () => 1234);
  assert.equal(state.isUsable(2), false);
  assert.equal(state.isOpen(2), false);
  assert.equal(state.inUse(2), false);
  state.recordRequest(2);
  state.recordFailure(2, 3);
  state.recordLatency(2, 10);
  state.reset(2, { admin: 'ready', weight: 3 });
  assert.equal(state.inUse(2), true);
  assert.equal(state.health(2), 'unknown');
  assert.equal(state.adminState(2), 'ready');
  assert.equal(state.isUsable(2), true);
  assert.equal(state.isOpen(2), true);
  assert.equal(state.weight(2), 3);
  assert.equal(state.requests(2) + state.failures(2) + state.latency(2) + state.active(2), 0);
  assert.equal(state.lastError(2), null);
  assert.equal(state.lastChange(2), 1234);
  assert.equal(state.inUse(1) || state.inUse(3), false);
});

test('admin state, health, ejection and weight each say whether they flipped and never change one another (behaviours 13, 39)', () => {
  const admins: AdminState[] = ['ready', 'drain', 'maintenance'];
  const healths: Health[] = ['up', 'down', 'unknown'];
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ admin: fc.constantFrom(...admins) }),
          fc.record({ health: fc.constantFrom(...healths) }),
          fc.record({ ejected: fc.boolean() }),
          fc.record({ weight: fc.nat(3) }),
        ),
        { maxLength: 30 },
      ),
      (steps) => {
        const memory = SharedState.allocate(1, 2);
        const state = new SharedState(memory, -1);
        const other = new SharedState(memory, 0);
        state.reset(1, READY);
        const model = { admin: 'ready' as AdminState, health: 'unknown' as Health, ejected: false, weight: 1 };
        for (const step of steps) {
          if ('admin' in step) assert.equal(state.setAdminState(1, step.admin), step.admin !== model.admin);
          else if ('health' in step) assert.equal(state.setHealth(1, step.health), step.health !== model.health);
          else if ('ejected' in step) assert.equal(state.setEjected(1, step.ejected), step.ejected !== model.ejected);
          else state.setWeight(1, step.weight);
          Object.assign(model, step);
          assert.equal(other.adminState(1), model.admin);
          assert.equal(other.health(1), model.health);
          assert.equal(other.ejected(1), model.ejected);
          assert.equal(other.configuredWeight(1), model.weight);
          const usable = model.health !== 'down' && !model.ejected && model.admin !== 'maintenance';
          assert.equal(other.isUsable(1), usable);
          assert.equal(other.isOpen(1), usable && model.admin === 'ready' && model.weight > 0);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('a change is dated by the wall clock, and only a change', () => {
  let now = 1000;
  const state = new SharedState(SharedState.allocate(1, 1), -1, () => now);
  state.reset(0, READY);
  now = 2000;
  state.setHealth(0, 'unknown');
  state.setWeight(0, 5);
  assert.equal(state.lastChange(0), 1000);
  state.setHealth(0, 'down');
  assert.equal(state.lastChange(0), 2000);
  now = 3000;
  state.setAdminState(0, 'drain');
  assert.equal(state.lastChange(0), 3000);
  now = 4000;
  state.eject(0, 9000);
  assert.equal(state.lastChange(0), 4000);
});

test('a verdict on a backend that has left the slot is not kept for the next one', () => {
  const state = new SharedState(SharedState.allocate(1, 1), -1);
  state.reset(0, READY);
  state.vacate(0);
  assert.equal(state.setHealth(0, 'down'), false);
  assert.equal(state.setEjected(0, true), false);
  assert.equal(state.isUsable(0), false);
  state.reset(0, READY);
  assert.equal(state.health(0), 'unknown');
  assert.equal(state.isOpen(0), true);
});

test('the effective weight is the configured one times the slow start factor, whichever is set last (behaviour 43)', () => {
  const state = new SharedState(SharedState.allocate(1, 1), -1);
  state.reset(0, { admin: 'ready', weight: 4 });
  state.setSlowStart(0, 0.25);
  assert.equal(state.weight(0), 1);
  state.setWeight(0, 8);
  assert.equal(state.weight(0), 2);
  assert.equal(state.configuredWeight(0), 8);
  state.setSlowStart(0, 1);
  assert.equal(state.weight(0), 8);
  assert.throws(() => state.setSlowStart(0, 0), RangeError);
  assert.throws(() => state.setSlowStart(0, 1.1), RangeError);
});

test('the last error has its time; a failure without a code leaves both', () => {
  let now = 1000;
  const state = new SharedState(SharedState.allocate(1, 1), 0, () => now);
  state.reset(0, READY);
  state.recordFailure(0, 2);
  now = 2000;
  state.recordFailure(0, -1);
  assert.deepEqual([state.failures(0), state.lastError(0), state.lastErrorAt(0)], [2, ERROR_CODES[2], 1000]);
  state.setLastError(0, 1);
  assert.deepEqual([state.failures(0), state.lastError(0), state.lastErrorAt(0)], [2, ERROR_CODES[1], 2000]);
});

test('requests in flight, requests and failures are sums over the workers', () => {
  const memory = SharedState.allocate(3, 8);
  const workers = [0, 1, 2].map((index) => new SharedState(memory, index));
  const supervisor = new SharedState(memory, -1);
  supervisor.reset(7, READY);
  workers.forEach((worker, index) => {
    for (let i = 0; i <= index; i++) {
      worker.begin(7);
      worker.recordRequest(7);
      worker.recordFailure(7, index);
    }
  });
  assert.equal(supervisor.active(7), 6);
  assert.equal(supervisor.activeNow(7), 6);
  assert.equal(supervisor.requests(7), 6);
  assert.equal(supervisor.failures(7), 6);
  assert.equal(supervisor.lastError(7), ERROR_CODES[2]);
  workers[2]!.end(7);
  assert.equal(supervisor.active(7), 5);
  assert.equal(supervisor.active(0), 0);
});

test('a dead worker takes its requests in flight with it and nobody else’s; its counters stay (behaviour 25)', () => {
  const memory = SharedState.allocate(2, 4);
  const [one, two] = [new SharedState(memory, 0), new SharedState(memory, 1)] as const;
  const supervisor = new SharedState(memory, -1);
  supervisor.reset(3, READY);
  one.begin(3);
  one.recordRequest(3);
  two.begin(3);
  supervisor.clearWorker(0);
  assert.equal(supervisor.active(3), 1);
  assert.equal(supervisor.requests(3), 1);
  two.end(3);
  assert.equal(supervisor.active(3), 0);
});

test('a worker that dies while it decides on a place does not keep the others from deciding', () => {
  const memory = SharedState.allocate(2, 1);
  const two = new SharedState(memory, 1);
  two.reset(0, READY);
  const { row } = new SharedState(memory, 0);
  two.layout.placeLock[0] = row + 1;
  two.layout.ejectionLock[0] = row + 1;
  new SharedState(memory, -1).clearWorker(0);
  assert.equal(two.tryBegin(0, 1), true);
  assert.equal(two.layout.ejectionLock[0], 0);
});

test('a slot that changes hands keeps the requests in flight of the old backend until they end', () => {
  const state = new SharedState(SharedState.allocate(1, 1), 0);
  state.reset(0, READY);
  state.begin(0);
  state.reset(0, READY);
  assert.equal(state.active(0), 1);
  state.end(0);
  assert.equal(state.active(0), 0);
});

test('the latency is a moving average that starts at the first measurement and is never 0 once measured', () => {
  const state = new SharedState(SharedState.allocate(1, 1), 0);
  state.reset(0, READY);
  state.recordLatency(0, 80);
  assert.equal(state.latency(0), 80);
  state.recordLatency(0, 160);
  assert.equal(state.latency(0), 90);
  for (let i = 0; i < 200; i++) state.recordLatency(0, 20);
  assert.ok(Math.abs(state.latency(0) - 20) < 0.01);
  state.reset(0, READY);
  state.recordLatency(0, 0);
  assert.ok(state.latency(0) > 0);
});

test('sizes and worker numbers that make no sense are refused with what is allowed', () => {
  assert.throws(() => SharedState.allocate(0), {
    name: 'RangeError',
    message: 'workers must be a positive integer, not 0',
  });
  assert.throws(() => SharedState.allocate(1, 1.5), { message: 'slots must be a positive integer, not 1.5' });
  const memory = SharedState.allocate(2);
  assert.throws(() => new SharedState(memory, 2), { message: 'worker must be -1 to 1, not 2' });
});

test('tryBegin never lets more than max in flight, over all threads, and lets max in', {
  timeout: 30_000,
}, async () => {
  // Few places: each thread meets the limit again and again.
  const max = 1;
  const threads = 3;
  const memory = SharedState.allocate(threads, 4);
  const state = new SharedState(memory, -1);
  state.reset(1, READY);
  const start = new Int32Array(new SharedArrayBuffer(4));
  const seen = await Promise.all(
    Array.from({ length: threads }, async (_, worker) => {
      const thread = new Worker(new URL('./try-begin-worker.ts', import.meta.url), {
        workerData: { memory, worker, max, start, rounds: 100_000 },
      });
      const [result] = (await once(thread, 'message')) as [{ most: number; begun: number }];
      return result;
    }),
  );
  for (const { most } of seen) assert.ok(most <= max, `${most} in flight`);
  assert.ok(seen.some(({ begun }) => begun > 100));
  assert.equal(state.active(1), 0);
  const places = Array.from({ length: max + 1 }, () => state.tryBegin(1, max));
  assert.deepEqual(places, [true, false]);
});
