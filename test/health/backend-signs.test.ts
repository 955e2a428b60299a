import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BootIds } from '../../src/backends/boot-ids.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { BackendSigns } from '../../src/health/backend-signs.ts';
import { Restarts } from '../../src/health/restarts.ts';
import { BackendLives } from '../../src/supervisor/reload/backend-lives.ts';
import { testPool } from '../backends/test-pool.ts';

const REFUSED = Object.assign(new Error('ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' });

/** Two threads that have connections to one backend, which has answered. */
function setUp() {
  const { pool, memory } = testPool([{ id: 'a' }]);
  const backend = pool.backends[0]!;
  let now = 1_000_000;
  const ended: string[] = [];
  const lost: number[] = [];
  const relieved: number[] = [];
  const log = { warn: () => {} };
  const thread = (worker: number): BackendSigns =>
    new BackendSigns({
      state: new SharedState(memory, worker),
      restarts: new Restarts({ count: (_pool, _backend, sign) => ended.push(sign), log, now: () => now }),
      log,
      onLastLost: (slot) => lost.push(slot),
      onRelieved: (slot) => relieved.push(slot),
      now: () => now,
    });
  backend.life.answer();
  const pass = (ms: number): void => void (now += ms);
  return { backend, one: thread(-1), two: thread(0), ended, lost, relieved, pass, state: new SharedState(memory, -1) };
}

test('M1: a refusal ends the life when nothing stands, once for all who are refused', () => {
  const { backend, one, two, ended } = setUp();
  const begun = [one.begins(backend), two.begins(backend)];
  one.refused(backend, begun[0]!, REFUSED);
  two.refused(backend, begun[1]!, REFUSED);
  assert.deepEqual([ended, backend.life.number], [['refused'], 2]);
  // It has not answered in this life.
  assert.equal(one.begins(backend), 0);
  one.refused(backend, one.begins(backend), REFUSED);
  assert.equal(backend.life.number, 2);
});

test('M1: a connect that was begun in an earlier life, or before any answer, says nothing', () => {
  const { backend, one, ended } = setUp();
  const begun = one.begins(backend);
  backend.life.end(1, 0);
  backend.life.answer();
  one.refused(backend, begun, REFUSED);
  assert.deepEqual([ended, backend.life.number], [[], 2]);
});

test('M1: while a connection of any thread stands it is a suspicion, for a second', () => {
  for (const [wait, lost, number] of [
    [0, true, 2],
    [900, true, 2],
    [1_100, true, 1],
    // One that limpet closes: somebody looks.
    [0, false, 1],
  ] as const) {
    const { backend, one, two, lost: looks, pass } = setUp();
    two.opened(backend);
    two.opened(backend);
    one.refused(backend, one.begins(backend), REFUSED);
    two.closed(backend, true);
    assert.equal(backend.life.number, 1, 'one stands');
    pass(wait);
    two.closed(backend, lost);
    assert.deepEqual([backend.life.number, looks.length], [number, number === 2 ? 0 : 1], `${wait} ms, ${lost}`);
  }
});

test('M1: the end of the last connection is looked at, that of another or by our own doing is not', () => {
  const { backend, one, two, lost } = setUp();
  one.opened(backend);
  two.opened(backend);
  one.closed(backend, true);
  assert.equal(lost.length, 0);
  two.closed(backend, true);
  assert.equal(lost.length, 1);
  one.opened(backend);
  one.closed(backend, false);
  assert.deepEqual([lost.length, backend.life.number], [1, 1]);
});

test('M1: one thread keeps an idle connection for its end, and is relieved by the next one of another', () => {
  const { backend, one, two, relieved, state } = setUp();
  two.opened(backend);
  assert.equal(two.keep(backend), true);
  assert.equal(one.isLast(backend), true);
  one.opened(backend);
  assert.equal(relieved.length, 1);
  assert.equal(one.keep(backend), false);
  two.unkeep(backend);
  two.closed(backend, false);
  assert.equal(one.keep(backend), true);
  state.layout.noLifeline[backend.slot] = 1;
  one.unkeep(backend);
  assert.equal(one.keep(backend), false);
});

test('M1: a worker that ends leaves neither connections nor a keeper', () => {
  const { backend, one, two, ended, lost, state } = setUp();
  two.opened(backend);
  assert.equal(two.keep(backend), true);
  state.clearWorker(0);
  assert.deepEqual([one.stand(backend), ended, lost], [0, [], []]);
  one.opened(backend);
  assert.equal(one.keep(backend), true);
});

test('M1: who is told of an end asks at once what is known of the backend: no lock is held meanwhile', async () => {
  const { pool, state } = testPool([{ id: 'a' }]);
  const backend = pool.backends[0]!;
  const log = { warn: () => {} };
  const { promise, resolve } = Promise.withResolvers<unknown>();
  // As a node does that tells the others.
  const onEnd = (): void => resolve(reader());
  const restarts = new Restarts({ count: () => {}, log, onEnd, now: () => 1_000 });
  const reader = new BackendLives({ pools: [pool] }, state, restarts).reader();
  const signs = new BackendSigns({ state, restarts, log, onLastLost() {}, onRelieved() {}, now: () => 1_000 });
  for (const id of ['one', 'two'])
    signs.boot(backend, `boot=${id}`, backend.life.number, signs.boots.flips(backend.slot));
  const boots = {
    ids: ['two', 'one'].map((id) => BigInt.asUintN(64, BootIds.hash(id)).toString(16).padStart(16, '0')),
    off: false,
  };
  assert.deepEqual(await promise, [{ name: 'shop/a', life: 2, began: 1_000, boots }]);
});
