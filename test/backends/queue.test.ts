import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { BackendQueue } from '../../src/backends/queue.ts';
import { WAKE_APART } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { testPool } from './test-pool.ts';
import { TestWaiter } from './test-waiter.ts';

/** Queues of several workers, here all in one thread; they tell each other through shared memory all the same. */
function setUp(t: TestContext | null, maxRequests: number, workers = 2) {
  const { pool, memory } = testPool([{ id: 'a', maxRequests }], {}, workers);
  const states = Array.from({ length: workers }, (_, index) => new SharedState(memory, index));
  const queues = states.map((state) => new BackendQueue(state));
  const log: string[] = [];
  // A wake-up that is awaited does not keep the thread alive.
  const alive = setInterval(() => {}, 1000);
  t?.after(() => clearInterval(alive));
  return { backend: pool.backends[0]!, memory, state: states[0]!, states, queues, log, alive };
}

/** Lets wake-ups through: until the log has grown to `length`. */
async function logged(log: readonly string[], length: number): Promise<void> {
  while (log.length < length) await setImmediate();
}

/** Lets wake-ups through that should change nothing. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await setImmediate();
}

test('requests enter while there are places, then wait and are served in order as places come free', (t) => {
  const { backend, queues, log, state } = setUp(t, 2, 1);
  const queue = queues[0]!;
  for (const name of ['one', 'two', 'three', 'four']) new TestWaiter(name, log).enter(queue, backend);
  assert.deepEqual(log, ['one at a', 'two at a']);
  assert.equal(queue.waiting, 2);
  queue.release(backend);
  assert.deepEqual(log.slice(2), ['three at a']);
  queue.release(backend);
  assert.deepEqual(log.slice(3), ['four at a']);
  assert.equal(state.active(backend.slot), 2);
  assert.equal(queue.waiting, 0);
  queue.release(backend);
  queue.release(backend);
  assert.equal(state.active(backend.slot), 0);
});

test('a place goes to whoever came first, at whichever worker', async (t) => {
  const { backend, queues, log } = setUp(t, 1, 3);
  const order = [0, 1, 2, 1, 0, 2, 2];
  for (const [index, worker] of order.entries()) new TestWaiter(`${index}`, log).enter(queues[worker]!, backend);
  for (let served = 1; served < order.length; served++) {
    queues[order[served - 1]!]!.release(backend);
    await logged(log, served + 1);
  }
  assert.deepEqual(
    log,
    order.map((_, index) => `${index} at a`),
  );
});

test('a new request does not take the place of one that waits at another worker', async (t) => {
  const { backend, queues, log } = setUp(t, 1);
  new TestWaiter('first', log).enter(queues[0]!, backend);
  new TestWaiter('second', log).enter(queues[1]!, backend);
  queues[0]!.release(backend);
  // The other worker has not woken up yet: the place is free, but kept for it.
  assert.equal(new TestWaiter('third', log).enter(queues[0]!, backend), false);
  await logged(log, 2);
  queues[1]!.release(backend);
  await logged(log, 3);
  assert.deepEqual(log, ['first at a', 'second at a', 'third at a']);
});

test('while another worker wakes up, places beyond those that its requests need are given out', async (t) => {
  const { backend, queues, log } = setUp(t, 2);
  new TestWaiter('one', log).enter(queues[0]!, backend);
  new TestWaiter('two', log).enter(queues[0]!, backend);
  new TestWaiter('three', log).enter(queues[1]!, backend);
  queues[0]!.release(backend);
  queues[0]!.release(backend);
  assert.equal(new TestWaiter('four', log).enter(queues[0]!, backend), true);
  assert.equal(new TestWaiter('five', log).enter(queues[0]!, backend), false);
  await logged(log, 4);
  assert.deepEqual(log.slice(2).sort(), ['four at a', 'three at a']);
});

test('a request that waits too long is sent away, and the one behind it is next', (t) => {
  const { backend, queues, log } = setUp(t, 1, 1);
  const queue = queues[0]!;
  new TestWaiter('holder', log).enter(queue, backend);
  new TestWaiter('late', log, 100).enter(queue, backend);
  new TestWaiter('patient', log, 300).enter(queue, backend);
  new TestWaiter('hasty', log, 50).enter(queue, backend);
  queue.expire(49);
  assert.deepEqual(log, ['holder at a']);
  queue.expire(100);
  assert.deepEqual(log.slice(1), ['late timed out', 'hasty timed out']);
  queue.release(backend);
  assert.deepEqual(log.slice(3), ['patient at a']);
});

test('a request whose client left is not served, and can be taken out twice', (t) => {
  const { backend, queues, log } = setUp(t, 1, 1);
  const queue = queues[0]!;
  new TestWaiter('holder', log).enter(queue, backend);
  const [gone, stays] = [new TestWaiter('gone', log), new TestWaiter('stays', log)];
  gone.enter(queue, backend);
  stays.enter(queue, backend);
  queue.leave(gone);
  queue.leave(gone);
  assert.equal(queue.waiting, 1);
  queue.release(backend);
  assert.deepEqual(log, ['holder at a', 'stays at a']);
  assert.throws(() => {
    gone.enter(queue, backend);
    gone.enter(queue, backend);
  }, /queued already, at a/);
});

test('when the first in line leaves with a place kept for it, the next worker gets the place', async (t) => {
  const { backend, queues, log, state } = setUp(t, 1, 3);
  new TestWaiter('holder', log).enter(queues[0]!, backend);
  const first = new TestWaiter('first', log);
  first.enter(queues[1]!, backend);
  new TestWaiter('second', log).enter(queues[2]!, backend);
  queues[0]!.release(backend);
  queues[1]!.leave(first);
  // Told by the one that left, and not only when its worker wakes up.
  assert.equal(state.layout.wake[3 * WAKE_APART], 1);
  await logged(log, 2);
  assert.deepEqual(log, ['holder at a', 'second at a']);
});

test('requests that wait for a backend that goes down are told to choose another one', (t) => {
  const { backend, queues, log, state } = setUp(t, 1, 1);
  const queue = queues[0]!;
  for (const name of ['holder', 'one', 'two']) new TestWaiter(name, log).enter(queue, backend);
  state.setAdminState(backend.slot, 'drain');
  queue.expire(0);
  assert.equal(queue.waiting, 2);
  state.setHealth(backend.slot, 'down');
  queue.expire(0);
  assert.deepEqual(log, ['holder at a', 'one lost a', 'two lost a']);
});

test('requests that wait for a backend are not sent to the one that has its slot now (behaviour 12)', (t) => {
  const { backend, queues, log } = setUp(t, 1, 1);
  const queue = queues[0]!;
  new TestWaiter('holder', log).enter(queue, backend);
  new TestWaiter('waits', log).enter(queue, backend);
  const successor = { ...backend, id: 'b', generation: 2, maxRequests: 5 };
  new TestWaiter('new', log).enter(queue, successor);
  assert.deepEqual(log, ['holder at a', 'waits lost a', 'new at b']);
});

test('a limit that is raised or taken away by a reload lets waiting requests go', (t) => {
  const { backend, queues, log } = setUp(t, 1, 1);
  const queue = queues[0]!;
  for (const name of ['1', '2', '3', '4']) new TestWaiter(name, log).enter(queue, backend);
  new TestWaiter('5', log).enter(queue, { ...backend, maxRequests: 3 });
  assert.equal(log.length, 3);
  queue.release({ ...backend, maxRequests: 0 });
  assert.deepEqual(log, ['1 at a', '2 at a', '3 at a', '4 at a', '5 at a']);
});

test('the requests of a dead worker free their places and block nobody (behaviour 69)', async (t) => {
  const { backend, queues, log, memory } = setUp(t, 1);
  new TestWaiter('dead holder', log).enter(queues[1]!, backend);
  new TestWaiter('dead waiter', log).enter(queues[1]!, backend);
  new TestWaiter('alive', log).enter(queues[0]!, backend);
  // As if its thread were gone: from here on nothing runs for worker 1.
  queues[1]!.release = () => assert.fail();
  new SharedState(memory, -1).clearWorker(1);
  await logged(log, 2);
  assert.deepEqual(log, ['dead holder at a', 'alive at a']);
});

test('requests that end as soon as they have a place are served one after the other without a deep stack', (t) => {
  const { backend, queues, log, state } = setUp(t, 1, 1);
  const queue = queues[0]!;
  new TestWaiter('holder', log).enter(queue, backend);
  for (let i = 0; i < 20_000; i++) {
    const waiter = new TestWaiter('', []);
    waiter.onPlace = () => {
      log.push('served');
      queue.release(backend);
    };
    waiter.enter(queue, backend);
  }
  queue.release(backend);
  assert.equal(log.length, 20_001);
  assert.equal(state.active(backend.slot), 0);
});

test('a request that enters again from its callback waits for its turn', (t) => {
  const { backend, queues, log } = setUp(t, 1, 1);
  const queue = queues[0]!;
  new TestWaiter('holder', log).enter(queue, backend);
  const again = new TestWaiter('again', log);
  const waiter = new TestWaiter('waiter', log);
  waiter.onPlace = () => {
    log.push('waiter at a');
    assert.equal(again.enter(queue, backend), false);
    queue.release(backend);
  };
  waiter.enter(queue, backend);
  new TestWaiter('other', log).enter(queue, backend);
  queue.release(backend);
  queue.release(backend);
  assert.deepEqual(log, ['holder at a', 'waiter at a', 'other at a', 'again at a']);
});

test('a request that enters is never called back before it knows whether it waits, even when a wake-up is left over', (t) => {
  const { backend, queues, log, state } = setUp(t, 2);
  state.layout.wake[WAKE_APART] = 1;
  new TestWaiter('one', log).enter(queues[1]!, backend);
  new TestWaiter('two', log).enter(queues[1]!, backend);
  new TestWaiter('three', log).enter(queues[1]!, backend);
  // Both places are free again, one of them for the request that waits at the other worker.
  state.layout.active[2 * state.layout.rowInts + backend.slot] = 0;
  assert.equal(new TestWaiter('four', log).enter(queues[0]!, backend), true);
});

test('a request that ends at another backend from a callback lets the next one in there', () => {
  const { pool, memory } = testPool([
    { id: 'a', maxRequests: 1 },
    { id: 'b', maxRequests: 1 },
  ]);
  const [a, b] = pool.backends;
  const queue = new BackendQueue(new SharedState(memory, 0));
  const log: string[] = [];
  for (const backend of [a!, b!]) new TestWaiter('holder', log).enter(queue, backend);
  new TestWaiter('second', log).enter(queue, b!);
  const first = new TestWaiter('first', log);
  first.onPlace = () => {
    log.push('first at a');
    queue.release(b!);
  };
  first.enter(queue, a!);
  queue.release(a!);
  assert.deepEqual(log, ['holder at a', 'holder at b', 'first at a', 'second at b']);
});

test('a place that is freed without a word, as by a request that began before there was a limit, is found by looking', (t) => {
  const { backend, queues, log, state } = setUp(t, 1);
  state.begin(backend.slot);
  new TestWaiter('waits', log).enter(queues[1]!, backend);
  state.end(backend.slot);
  queues[1]!.expire(0);
  assert.deepEqual(log, ['waits at a']);
});

test('tickets wrap around without a break in the order', async (t) => {
  const { backend, queues, log, state } = setUp(t, 1);
  state.layout.tickets[backend.slot] = 2 ** 31 - 3;
  for (let i = 0; i < 8; i++) new TestWaiter(`${i}`, log).enter(queues[i % 2]!, backend);
  for (let i = 0; i < 7; i++) {
    queues[i % 2]!.release(backend);
    await logged(log, i + 2);
  }
  state.layout.tickets[backend.slot] = -2;
  for (let i = 8; i < 11; i++) new TestWaiter(`${i}`, log).enter(queues[0]!, backend);
  queues[1]!.release(backend);
  await logged(log, 9);
  for (let i = 8; i < 10; i++) queues[0]!.release(backend);
  assert.deepEqual(
    log,
    Array.from({ length: 11 }, (_, i) => `${i} at a`),
  );
});

test('whatever happens: never more than maxRequests, no place free while one waits, each worker in order', async () => {
  const steps = fc.array(
    fc.record({ worker: fc.nat(3), action: fc.constantFrom('enter', 'enter', 'release', 'leave', 'settle', 'die') }),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (max, all) => {
      const { backend, memory, states, state, alive, queues } = setUp(null, max, 4);
      try {
        const supervisor = new SharedState(memory, -1);
        const workers = queues.map(() => ({ held: 0, waiting: [] as TestWaiter[], dead: false }));
        const enter = (index: number): void => {
          const worker = workers[index]!;
          const waiter = new TestWaiter('', []);
          waiter.onPlace = () => {
            assert.equal(worker.waiting.shift(), waiter);
            worker.held++;
          };
          if (queues[index]!.enter(backend, waiter)) worker.held++;
          else worker.waiting.push(waiter);
        };
        for (const { worker: index, action } of all) {
          const worker = workers[index]!;
          if (action === 'settle') await settle();
          else if (worker.dead) continue;
          else if (action === 'enter') enter(index);
          else if (action === 'release' && worker.held > 0) {
            worker.held--;
            queues[index]!.release(backend);
          } else if (action === 'leave' && worker.waiting.length > 0) {
            queues[index]!.leave(worker.waiting.splice(Math.floor(worker.waiting.length / 2), 1)[0]!);
          } else if (action === 'die') {
            // Its thread is gone: it takes no place and does nothing any more.
            states[index]!.tryBegin = () => false;
            workers[index] = { held: 0, waiting: [], dead: true };
            supervisor.clearWorker(index);
          }
          assert.ok(state.active(backend.slot) <= max);
          assert.equal(
            state.active(backend.slot),
            workers.reduce((sum, { held }) => sum + held, 0),
          );
        }
        const living = [...queues.keys()].filter((index) => !workers[index]!.dead);
        const waiting = (): number => living.reduce((sum, index) => sum + queues[index]!.waiting, 0);
        const isSettled = (): boolean => waiting() === 0 || state.active(backend.slot) === max;
        for (let turns = 0; turns < 5000 && !isSettled(); turns++) await setImmediate();
        assert.ok(isSettled(), 'a place is free while a request waits');
        for (const index of living) assert.equal(queues[index]!.waiting, workers[index]!.waiting.length);
      } finally {
        clearInterval(alive);
      }
    }),
    { numRuns: 150 },
  );
});

/**
 * A worker thread that sends `rounds` requests, 20 at a time, through its queue; nothing but wake-ups keeps it going.
 */
function startThread(setup: ReturnType<typeof setUp>, worker: number, mode: 'work' | 'hold'): Worker {
  const { memory, backend } = setup;
  return new Worker(new URL('./queue-worker.ts', import.meta.url), {
    workerData: { memory, worker, backend, mode, rounds: 1000 },
  });
}

test('worker threads share the places: never more than allowed, and every request gets its turn', {
  timeout: 60_000,
}, async (t) => {
  const setup = setUp(t, 4, 3);
  const threads = [0, 1, 2].map((worker) => startThread(setup, worker, 'work'));
  const results = await Promise.all(
    threads.map(async (thread) => (await once(thread, 'message'))[0] as { most: number }),
  );
  for (const { most } of results) assert.ok(most <= 4, `${most} in flight`);
  assert.equal(setup.state.active(setup.backend.slot), 0);
});

test('the other threads go on when one dies with all places and with waiting requests (behaviour 69)', {
  timeout: 60_000,
}, async (t) => {
  const setup = setUp(t, 2, 3);
  const { state, backend } = setup;
  const dying = startThread(setup, 0, 'hold');
  await once(dying, 'message');
  assert.equal(state.active(backend.slot), 2);
  const survivors = [1, 2].map((worker) => startThread(setup, worker, 'work'));
  const ended = Promise.all(survivors.map((thread) => once(thread, 'message')));
  const isWaiting = (row: number): boolean => state.layout.heads[row * state.layout.rowInts + backend.slot] !== 0;
  while (!isWaiting(2) || !isWaiting(3)) await setImmediate();
  await dying.terminate();
  state.clearWorker(0);
  await ended;
  assert.equal(state.active(backend.slot), 0);
});

test('a worker that was told to look by one that died before it could notify is woken all the same', async (t) => {
  const { backend, queues, log, state, memory } = setUp(t, 1);
  new TestWaiter('dead', log).enter(queues[1]!, backend);
  new TestWaiter('alive', log).enter(queues[0]!, backend);
  state.layout.wake[WAKE_APART] = 1;
  new SharedState(memory, -1).clearWorker(1);
  await logged(log, 2);
  assert.deepEqual(log, ['dead at a', 'alive at a']);
});
