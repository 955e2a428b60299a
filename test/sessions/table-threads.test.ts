import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Lookup, Row, SessionTable, type SessionTableMemory } from '../../src/sessions/table.ts';
import { randomKeys } from './random-keys.ts';
import { T, type TableThreadData } from './table-thread.ts';

const SLOTS = 8;

async function start(
  memory: SessionTableMemory,
  owner: number,
  does: TableThreadData['does'],
  keys: number,
  flags: Int32Array,
): Promise<Worker> {
  const workerData: TableThreadData = { memory, owner, does, keys, slots: SLOTS, flags };
  const thread = new Worker(new URL('./table-thread.ts', import.meta.url), { workerData });
  await once(thread, 'message');
  return thread;
}

function letGo(flags: Int32Array): void {
  Atomics.store(flags, 0, 1);
  Atomics.notify(flags, 0);
}

/** Lets threads 2, 3 and 4 do the same with the same keys at the same time; what each won and saw. */
async function race(
  memory: SessionTableMemory,
  does: 'claim' | 'move',
  keys: number,
): Promise<{ wins: number[]; saw: number[] }[]> {
  const flags = new Int32Array(new SharedArrayBuffer(64));
  const threads = await Promise.all([2, 3, 4].map((owner) => start(memory, owner, does, keys, flags)));
  const results = Promise.all(threads.map(async (thread) => (await once(thread, 'message'))[0]));
  const ended = Promise.all(threads.map((thread) => once(thread, 'exit')));
  letGo(flags);
  await ended;
  return results;
}

/** Every counter against the rows themselves. */
function audit(table: SessionTable, pools: number, slots: number): void {
  const { sessions } = table.list({ limit: 1e6 }, T);
  assert.equal(table.size, sessions.length);
  for (let n = 0; n < slots; n++)
    assert.equal(table.sessions(n), sessions.filter((s) => s.backend === n).length, `slot ${n}`);
  for (let n = 0; n < pools; n++)
    assert.equal(table.sessionsOfPool(n), sessions.filter((s) => s.pool === n).length, `pool ${n}`);
  assert.equal(new Set(sessions.map((s) => s.key)).size, sessions.length, 'no key twice');
}

test('many threads claim the same keys at once: each key has one winner, and all see the same backend (18)', async () => {
  const count = 5000;
  const memory = SessionTable.allocate(10_000, 16);
  const results = await race(memory, 'claim', count);
  const wins = results.flatMap((result) => result.wins);
  assert.deepEqual(
    wins.toSorted((a, b) => a - b),
    Array.from({ length: count }, (_, n) => n),
  );
  assert.deepEqual(results[1]!.saw, results[0]!.saw);
  assert.deepEqual(results[2]!.saw, results[0]!.saw);
  const table = new SessionTable(memory, 1);
  assert.equal(table.size, count);
  assert.equal(
    table.list({ limit: 1e6 }, T).sessions.reduce((sum, session) => sum + session.requests, 0),
    3 * count,
  );
  audit(table, 16, 16);
});

test('many threads move the same sessions at once: each is moved once, and all see where it went (33)', async () => {
  const count = 5000;
  const memory = SessionTable.allocate(10_000, 16);
  const table = new SessionTable(memory, 1);
  const row = new Row();
  randomKeys(count, 1).forEach((key, n) => {
    table.adopt(key, 0, n % SLOTS, 1, 0, T, T, row);
  });
  const results = await race(memory, 'move', count);
  const wins = results.flatMap((result) => result.wins);
  assert.deepEqual(
    wins.toSorted((a, b) => a - b),
    Array.from({ length: count }, (_, n) => n),
  );
  assert.deepEqual(results[1]!.saw, results[0]!.saw);
  assert.deepEqual(results[2]!.saw, results[0]!.saw);
  [2, 3, 4].forEach((owner, n) => {
    assert.equal(table.sessions(SLOTS + owner), results[n]!.wins.length);
  });
  audit(table, 16, 16);
});

test('a thread that is terminated in the midst of it all takes no row with it, and its locks and counters come right (25, 69)', async () => {
  const memory = SessionTable.allocate(60, 16);
  const table = new SessionTable(memory, 1);
  const flags = new Int32Array(new SharedArrayBuffer(64));
  // Few rows for the keys: evictions, too. The one that stays must get through whatever the others leave behind.
  const keys = 200;
  letGo(flags);
  const stays = await start(memory, 3, 'churn', keys, flags);
  for (let round = 0; round < 8; round++) {
    const victim = await start(memory, 2, 'churn', keys, flags);
    const began = Atomics.load(flags, 2);
    while (Atomics.load(flags, 2) < began + 500) await new Promise(setImmediate);
    await victim.terminate();
    table.releaseLocks(2);
    const at = Atomics.load(flags, 3);
    while (Atomics.load(flags, 3) < at + 100) await new Promise(setImmediate);
  }
  Atomics.store(flags, 1, 1);
  const [code] = await once(stays, 'exit');
  assert.equal(code, 0);
  audit(table, 16, 16);
  assert.ok(table.size <= 60 + 2, `${table.size} sessions`);
  assert.ok(table.evictions > 0);
  const row = new Row();
  for (const key of randomKeys(keys, 1)) {
    table.remove(key);
    assert.equal(table.lookup(key, T, 0, 0, row), Lookup.NONE);
  }
  assert.equal(table.size, 0);
});
