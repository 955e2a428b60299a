import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RowAccess } from '../../../src/sessions/table/row-access.ts';
import { ChangeReader } from '../../../src/sessions/table/row-changes.ts';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Row, SessionTable, type SessionTableMemory } from '../../../src/sessions/table/table.ts';
import { collidingKeys, randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const KEYS = [...randomKeys(40, 5), ...collidingKeys(10)];
const row = new Row();

function makeMemory(max = 200): SessionTableMemory {
  return SessionTable.allocate(max, 8, 3, 2, true);
}

function taken(table: SessionTable, least: 1 | 2, limit = 1000, reader?: ChangeReader): number[] {
  const found: number[] = [];
  table.takeChanged(least, limit, ({ key }) => found.push(KEYS.findIndex((known) => known.equals(key))), reader);
  return found.sort((a, b) => a - b);
}

function claimAll(table: SessionTable): void {
  for (const key of KEYS) table.claim(key, 1, 2, 1, 0, T, row);
}

test('a request notes its row as touched, everything else that changes a row as changed; what changes nothing marks nothing', () => {
  const table = new SessionTable(makeMemory(), 1);
  const key = KEYS[0]!;
  const changes: Record<string, () => unknown> = {
    claim: () => table.claim(key, 1, 2, 1, 0, T, row),
    confirm: () => table.confirm(key, 2, T),
    move: () => table.move(key, 2, 3, 1, 0, T, row),
    setIssued: () => table.setIssued(key, T),
    clearPending: () => table.clearPending(key),
    end: () => table.end(key, T, T + 10),
    'claim over a tombstone': () => table.claim(key, 1, 2, 1, 0, T, row, true),
    adopt: () => {
      table.remove(key);
      return table.adopt(key, 1, 2, 1, 0, T, T, row);
    },
  };
  for (const [name, change] of Object.entries(changes)) {
    assert.notEqual(change(), false, name);
    assert.deepEqual(taken(table, 2), [0], name);
    assert.deepEqual(taken(table, 1), [], `${name}: taken once`);
  }
  const touches: Record<string, () => unknown> = {
    lookup: () => table.lookup(key, T, 0, 0, row),
    'claim that finds one': () => table.claim(key, 1, 2, 1, 0, T, row),
  };
  for (const [name, touch] of Object.entries(touches)) {
    touch();
    assert.deepEqual(taken(table, 2), [], name);
    assert.deepEqual(taken(table, 1), [0], name);
  }
  table.peek(key, T, row);
  table.list({ limit: 100 }, T);
  table.confirm(key, 5, T);
  table.move(key, 5, 6, 1, 0, T, row);
  table.applyStoreAnswer(key, 4, 1, T - 5, 3, T, row);
  table.sweep(table.buckets, T);
  assert.deepEqual(taken(table, 1), []);
});

test('a change stays one when a request comes after it', () => {
  const table = new SessionTable(makeMemory(), 1);
  table.claim(KEYS[0]!, 1, 2, 1, 0, T, row);
  table.lookup(KEYS[0]!, T, 0, 0, row);
  assert.deepEqual(taken(table, 2), [0]);
});

test('a reader takes every changed row once, as many at a time as it wants, wherever it stopped', () => {
  for (const limit of [1, 3, 7, 8, 50, 51]) {
    const table = new SessionTable(makeMemory(), 1);
    claimAll(table);
    const found: number[] = [];
    let count = limit;
    while (count === limit) {
      const some = taken(table, 2, limit);
      count = some.length;
      found.push(...some);
    }
    assert.deepEqual(
      found.sort((a, b) => a - b),
      KEYS.map((_, n) => n),
      `${limit} at a time`,
    );
  }
});

test('readers do not take from each other; a row that another process told of is no news for the store', () => {
  const memory = makeMemory();
  const table = new SessionTable(memory, 1);
  claimAll(table);
  const all = KEYS.map((_, n) => n);
  assert.deepEqual(taken(table, 1, 1000, ChangeReader.STORE), all);
  assert.deepEqual(taken(table, 1, 1000, ChangeReader.HANDOVER), all);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), true);
  table.copy(0, table.buckets, () => {}, T, ChangeReader.SNAPSHOT);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), false);
  const record = new RowRecord();
  Object.assign(record, { pool: 1, backend: 1, generation: 1, requests: 1, created: T - 1, lastSeen: T });
  record.key.copy(KEYS[3]!);
  assert.equal(table.merge(record, T), 'replaced');
  assert.deepEqual(taken(table, 1, 1000, ChangeReader.STORE), []);
  assert.deepEqual(taken(table, 1, 1000, ChangeReader.HANDOVER), [3]);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), true);
  table.remove(KEYS[3]!);
  table.copy(0, table.buckets, () => {}, T, ChangeReader.SNAPSHOT);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), false, 'also of a row that is gone');
});

test('all rows can be noted as changed, and rows that are gone are not shown', () => {
  const table = new SessionTable(makeMemory(), 1);
  claimAll(table);
  taken(table, 1);
  table.end(KEYS[7]!, T, T + 10);
  taken(table, 1);
  table.remove(KEYS[8]!);
  table.changeAll();
  assert.deepEqual(
    taken(table, 2),
    KEYS.map((_, n) => n).filter((n) => n !== 8),
  );
});

test('what is taken is the row as it is, tombstones too', () => {
  const table = new SessionTable(makeMemory(), 1);
  table.claim(KEYS[0]!, 1, 2, 7, 3, T, row, false, true);
  table.lookup(KEYS[0]!, T + 5, 0, 0, row);
  const found: object[] = [];
  const visit = (record: RowRecord): void => {
    const { key, session, ...fields } = record;
    assert.ok(key.equals(KEYS[0]!) && session.isZero());
    found.push(fields);
  };
  table.takeChanged(2, 10, visit);
  table.confirm(KEYS[0]!, 2, T + 6);
  table.setIssued(KEYS[0]!, T + 7);
  table.move(KEYS[0]!, 2, 3, 8, 4, T, row);
  table.takeChanged(2, 10, visit);
  const fields = {
    ended: false,
    provisional: true,
    pending: true,
    pool: 1,
    backend: 2,
    generation: 7,
    by: 3,
    requests: 2,
    issued: 0,
    created: T,
    lastSeen: T + 5,
    moves: 0,
    movedFrom: -1,
    movedReason: 0,
    failbackTo: -1,
    failbackGeneration: 0,
    bindingHash: 0,
    userA: 0,
    userB: 0,
    joined: false,
    firstStamp: 0,
    latestStamp: 0,
  };
  const moved = { backend: 3, generation: 8, moves: 1, movedFrom: 2, movedReason: 4, failbackGeneration: 7 };
  assert.deepEqual(found, [fields, { ...fields, ...moved, provisional: false, issued: T + 7, lastSeen: T + 6 }]);
});

test('a lock that a dead thread holds delays its rows, and nothing is lost or thrown', () => {
  const memory = makeMemory();
  const table = new SessionTable(memory, 1);
  claimAll(table);
  const dead = new RowAccess(memory, new Int32Array(memory.buffer), new Float64Array(memory.buffer), 2);
  const bucket = dead.rows.firstBucket(KEYS[0]!);
  dead.lock(bucket);
  const found = taken(table, 1);
  assert.ok(found.length < KEYS.length);
  const copied: RowRecord[] = [];
  const done = table.copy(0, table.buckets, (record) => copied.push(record), T);
  assert.ok(done < table.buckets);
  table.releaseLocks(2);
  found.push(...taken(table, 1));
  assert.deepEqual(
    found.sort((a, b) => a - b),
    KEYS.map((_, n) => n),
  );
  assert.equal(
    table.copy(done, table.buckets, (record) => copied.push(record), T),
    table.buckets - done,
  );
  assert.equal(copied.length, KEYS.length);
});

test('without change tracking there is nothing to take', () => {
  const table = new SessionTable(SessionTable.allocate(100, 4), 1);
  table.claim(KEYS[0]!, 1, 2, 1, 0, T, row);
  assert.throws(() => table.takeChanged(1, 1, () => {}), /without change tracking/);
  assert.throws(() => table.changeAll(), /without change tracking/);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), true);
});
