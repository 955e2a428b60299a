import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { RowAccess } from '../../../src/sessions/table/row-access.ts';
import { LIVE } from '../../../src/sessions/table/row-layout.ts';
import { Lookup, Row, SessionTable, type SessionTableMemory } from '../../../src/sessions/table/table.ts';
import { tableOffsets } from '../../../src/sessions/table/table-memory.ts';
import { randomKeys } from '../random-keys.ts';
import { T, type TableThreadData } from './table-thread.ts';

const SLOTS = 8;
const KEY = randomKeys(1, 1)[0]!;

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

/** Until a thread has made so many turns more. */
async function passes(flags: Int32Array, owner: number, turns: number): Promise<void> {
  const until = Atomics.load(flags, owner) + turns;
  while (Atomics.load(flags, owner) < until) await new Promise(setImmediate);
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
  const count = 3000;
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
  const count = 3000;
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

test('a thread that is terminated in the midst of it all takes no row with it, and its locks stop nobody (25, 69)', async () => {
  const memory = SessionTable.allocate(60, 16);
  const table = new SessionTable(memory, 1);
  const flags = new Int32Array(new SharedArrayBuffer(64));
  // Few rows for the keys: evictions, too. The one that stays must get through whatever the others leave behind.
  const keys = 200;
  letGo(flags);
  const stays = await start(memory, 3, 'churn', keys, flags);
  for (let round = 0; round < 4; round++) {
    const victim = await start(memory, 2, 'churn', keys, flags);
    await passes(flags, 2, 500);
    await victim.terminate();
    table.releaseLocks(2);
    await passes(flags, 3, 100);
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

test('a row and its counters change together or not at all, wherever a thread is terminated (25)', async () => {
  const memory = SessionTable.allocate(60, 16);
  const table = new SessionTable(memory, 1);
  const flags = new Int32Array(new SharedArrayBuffer(64));
  letGo(flags);
  // Early and late: interpreted and compiled code look for the end of the thread in places of their own.
  for (const turns of [1, 100, 5000, 100_000, 1, 100, 5000, 100_000]) {
    const victim = await start(memory, 2, 'write', 16, flags);
    await passes(flags, 2, turns);
    await victim.terminate();
    audit(table, 16, 16);
    flags[2] = 0;
  }
});

/**
 * The bucket of the key that a thread with one key uses, locked by this thread until `unlock`, and whether somebody
 * waits for it.
 */
function hold(memory: SessionTableMemory): { access: RowAccess; bucket: number; waited: () => boolean } {
  const words = new Int32Array(memory.buffer);
  const access = new RowAccess(memory, words, new Float64Array(memory.buffer), 1);
  const bucket = access.rows.firstBucket(KEY);
  access.lock(bucket);
  const lock = tableOffsets(memory).locks + (bucket & (memory.stripes - 1));
  return { access, bucket, waited: () => (Atomics.load(words, lock) & 0x40000000) !== 0 };
}

/** Starts a thread that does something once, and waits until it waits for the lock. Its answer to come. */
async function startAndWait(
  memory: SessionTableMemory,
  does: TableThreadData['does'],
  waited: () => boolean,
): Promise<{ answer: Promise<unknown[]> }> {
  const flags = new Int32Array(new SharedArrayBuffer(64));
  letGo(flags);
  const thread = await start(memory, 2, does, 1, flags);
  let answered = false;
  const answer = once(thread, 'message').finally(() => {
    answered = true;
  });
  while (!waited() && !answered) await new Promise(setImmediate);
  assert.equal(answered, false, 'it has not waited for the lock');
  return { answer };
}

test('a row that went to another key while a thread waited for its lock is not taken for the one it looked for', async () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  table.adopt(KEY, 0, 3, 1, 0, T, T, new Row());
  const { access, bucket, waited } = hold(memory);
  const { answer } = await startAndWait(memory, 'lookup once', waited);
  const row = access.rows.find(bucket, KEY);
  access.writer.bind(row, randomKeys(2, 1)[1]!, 0, 5, 1, 0, LIVE, T, T, 0);
  access.unlock(bucket);
  assert.deepEqual(await answer, [{ answer: Lookup.NONE, backend: -1 }]);
  audit(table, 16, 16);
});

test('a claim waits for whoever has the bucket, and sees what came of it (18)', async () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  const { access, bucket, waited } = hold(memory);
  const { answer } = await startAndWait(memory, 'claim once', waited);
  access.writer.bind(bucket * 8, KEY, 0, 5, 1, 0, LIVE, T, T, 0);
  access.unlock(bucket);
  assert.deepEqual(await answer, [{ answer: false, backend: 5 }]);
  audit(table, 16, 16);
});

test('so does the end of a session', async () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  const { access, bucket, waited } = hold(memory);
  const { answer } = await startAndWait(memory, 'end once', waited);
  access.writer.bind(bucket * 8, KEY, 0, 5, 1, 0, LIVE, T, T, 0);
  access.unlock(bucket);
  assert.deepEqual(await answer, [{ answer: true, backend: -1 }]);
  assert.equal(table.peek(KEY, T, new Row()), Lookup.ENDED);
  audit(table, 16, 16);
});
