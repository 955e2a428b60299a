import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY_SOURCES } from '../../../src/affinity/strategy.ts';
import { Key } from '../../../src/keys/key.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { collidingKeys, randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const ROWS = 16;
const row = new Row();

/** A table with room, where sixteen keys share two buckets and have filled them: key n was last seen at T + n. */
function crowded(): { table: SessionTable; keys: Key[] } {
  const table = new SessionTable(SessionTable.allocate(1000, 16), 1);
  const keys = collidingKeys(ROWS + 4);
  for (let n = 0; n < ROWS; n++) assert.equal(table.claim(keys[n]!, 0, n, 1, 0, T + n, row), true);
  assert.deepEqual([table.size, table.evictions], [ROWS, 0]);
  return { table, keys };
}

function alive(table: SessionTable, keys: Key[], now: number): number[] {
  return keys.flatMap((key, n) => (table.peek(key, now, row) === Lookup.LIVE ? [n] : []));
}

const all = Array.from({ length: ROWS }, (_, n) => n);

test('with both buckets full the session seen least recently goes, and is counted (21)', () => {
  const { table, keys } = crowded();
  table.lookup(keys[0]!, T + 100, 0, 0, row);
  assert.equal(table.claim(keys[16]!, 1, 3, 1, 0, T + 101, row), true);
  assert.deepEqual(alive(table, keys, T + 101), [...all.filter((n) => n !== 1), 16]);
  assert.deepEqual(
    [table.evictions, table.size, table.sessions(1), table.sessions(3), table.sessionsOfPool(1)],
    [1, 16, 0, 2, 1],
  );
});

test('an expired session goes before a live one, and is no eviction', () => {
  const { table, keys } = crowded();
  table.setLimits(1, 10, 0);
  table.remove(keys[15]!);
  table.claim(keys[16]!, 1, 0, 1, 0, T + 500, row);
  assert.equal(table.claim(keys[17]!, 0, 0, 1, 0, T + 510, row), true);
  assert.deepEqual(alive(table, keys, T + 510), [...all.slice(0, 15), 17]);
  assert.deepEqual([table.evictions, table.size], [0, 16]);
});

test('an expired tombstone goes before an expired session', () => {
  const { table, keys } = crowded();
  table.setLimits(0, 100, 0);
  table.end(keys[15]!, T + 20, T + 30);
  table.claim(keys[16]!, 0, 0, 1, 0, T + 101, row);
  assert.equal(table.size, 16, 'none of the expired ones has gone');
  assert.equal(table.lookup(keys[15]!, T + 101, 0, 0, row), Lookup.NONE);
});

test('a tombstone goes before a session, and its key stays ended all the same (24)', () => {
  const { table, keys } = crowded();
  for (let n = 1; n < ROWS; n++) table.end(keys[n]!, T + 20, T + 1000 + n);
  table.lookup(keys[0]!, T + 30, 0, 0, row);
  assert.equal(table.claim(keys[16]!, 0, 0, 1, 0, T + 40, row), true);
  assert.equal(table.claim(keys[17]!, 0, 0, 1, 0, T + 41, row), true);
  assert.deepEqual([table.size, table.evictions], [3, 0]);
  for (let n = 1; n < ROWS; n++) {
    assert.equal(table.peek(keys[n]!, T + 60, row), Lookup.ENDED);
    assert.equal(table.adopt(keys[n]!, 0, 0, 1, 0, T, T + 60, row), false);
    assert.equal(table.lookup(keys[n]!, T + 60, 0, 0, row), Lookup.ENDED);
  }
  assert.equal(table.peek(keys[1]!, T + 1001, row), Lookup.NONE, 'its time is over');
});

test('of tombstones those stay longest that say where their session goes on', () => {
  const { table, keys } = crowded();
  const [to] = randomKeys(1, 5);
  const next = new Key();
  assert.equal(table.rotate(keys[0]!, to!, T + 100_000, T + 20, row), true);
  for (let n = 1; n < 4; n++) table.end(keys[n]!, T + 20, T + 200_000);
  for (let n = 16; n < 19; n++) table.claim(keys[n]!, 0, 0, 1, 0, T + 30 + n, row);
  assert.ok(table.successor(keys[0]!, next) > 0 && next.equals(to!));
  assert.equal(table.evictions, 0);
});

test('the end of a key without a row takes no place of a session', () => {
  const { table, keys } = crowded();
  table.end(keys[16]!, T + 20, T + 1000);
  assert.equal(table.peek(keys[16]!, T + 20, row), Lookup.ENDED);
  assert.deepEqual(alive(table, keys, T + 20), all);
  assert.deepEqual([table.evictions, table.size], [0, 16]);
});

test("K7: what limpet's own cookie proves again goes before what nothing does, and of it what was seen once", () => {
  const table = new SessionTable(SessionTable.allocate(1000, 16), 1);
  const keys = collidingKeys(ROWS + 20);
  const token = KEY_SOURCES.indexOf('token');
  const cookie = KEY_SOURCES.indexOf('cookie');
  // Four of tokens, seen least recently; four of cookies that came back; eight that were seen once.
  for (let n = 0; n < ROWS; n++) table.claim(keys[n]!, 0, n, 1, n < 4 ? token : cookie, T + n, row);
  for (let n = 4; n < 8; n++) table.lookup(keys[n]!, T + 20, 0, 0, row);
  const bots = (from: number, count: number, at: number): void => {
    for (let n = from; n < from + count; n++) table.claim(keys[n]!, 0, 0, 1, cookie, at, row);
  };
  const later = T + 20_000;
  bots(ROWS, 8, later);
  assert.deepEqual(alive(table, keys.slice(0, ROWS), later), [0, 1, 2, 3, 4, 5, 6, 7]);
  // Those that came a moment ago may come back yet: the ones seen least recently go, as they can be proven.
  bots(ROWS + 8, 4, later + 1);
  assert.deepEqual(alive(table, keys.slice(0, ROWS), later), [0, 1, 2, 3]);
  bots(ROWS + 12, 8, later + 2);
  assert.deepEqual(alive(table, keys.slice(0, ROWS), later), [0, 1, 2, 3]);
});

test('new rows go to the emptier of the two buckets', () => {
  const table = new SessionTable(SessionTable.allocate(12, 16), 1);
  assert.equal(table.buckets, 2);
  for (const key of collidingKeys(8)) table.claim(key, 0, 0, 1, 0, T, row);
  const firstBucket = table.list({ limit: 100, scan: 8 }, T);
  assert.deepEqual([firstBucket.sessions.length, table.size], [4, 8]);
});

test('there are never more sessions than sessions.max, also where rows are free', () => {
  const table = new SessionTable(SessionTable.allocate(4, 16), 1);
  const keys = collidingKeys(7);
  for (let n = 0; n < 4; n++) table.claim(keys[n]!, 0, n, 1, 0, T + n, row);
  assert.equal(table.claim(keys[4]!, 0, 4, 1, 0, T + 10, row), true);
  assert.deepEqual(alive(table, keys, T + 10), [1, 2, 3, 4]);
  assert.deepEqual([table.size, table.evictions], [4, 1]);
  table.end(keys[1]!, T + 11, T + 1000);
  table.claim(keys[5]!, 0, 4, 1, 0, T + 12, row);
  assert.deepEqual(alive(table, keys, T + 12), [2, 3, 4, 5]);
  assert.deepEqual([table.size, table.evictions], [4, 1]);
  // The place of a tombstone that is over is free as well, and no reason to hold one session more.
  table.claim(keys[6]!, 0, 4, 1, 0, T + 2000, row);
  assert.deepEqual(alive(table, keys, T + 2000), [3, 4, 5, 6]);
  assert.deepEqual([table.size, table.evictions], [4, 2]);
});

test('filled with exactly its maximum of random keys a table evicts next to none, and with three times that it stays at its maximum', () => {
  const max = 10_000;
  const table = new SessionTable(SessionTable.allocate(max, 16), 1);
  const keys = randomKeys(3 * max, 11);
  for (let n = 0; n < max; n++) table.claim(keys[n]!, 0, n % 16, 1, 0, T + n, row);
  assert.ok(table.evictions <= max * 0.001, `${table.evictions} of ${max} evicted`);
  assert.equal(table.size, max - table.evictions);
  let most = 0;
  for (let n = max; n < 3 * max; n++) {
    table.claim(keys[n]!, 0, n % 16, 1, 0, T + n, row);
    most = Math.max(most, table.size);
  }
  assert.equal(most, max);
  assert.equal(table.evictions, 3 * max - max);
  assert.equal(alive(table, keys, T + 3 * max).length, max);
  const old = alive(table, keys.slice(0, max), T + 3 * max).length;
  assert.ok(old < max * 0.1, `${old} of the oldest third are left`);
});
