import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY_SOURCES } from '../../../src/affinity/strategy.ts';
import { Key } from '../../../src/keys/key.ts';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { Tombstones } from '../../../src/sessions/table/tombstones.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;

test('L9: each end is there until its time is over, and is shown in order', () => {
  const ends = new Tombstones(Tombstones.allocate(10), 1);
  const keys = randomKeys(900, 1);
  for (const [n, key] of keys.entries()) ends.add(key, 3, T + 1_000 + n, T + n, n % 2 === 0);
  for (const [n, key] of keys.entries()) {
    assert.equal(ends.until(key, T + 500), T + 1_000 + n);
    assert.equal(ends.until(key, T + 1_000 + n), 0);
  }
  const seen: string[] = [];
  const record = new RowRecord();
  let cursor = 0;
  for (; cursor < ends.added; ) {
    cursor = ends.visit(cursor, 100, T, false, record, ({ key, ended, pool, lastSeen, created }) => {
      seen.push([key.a, key.b, key.c, key.d, ended, pool, lastSeen, created].join());
    });
  }
  assert.deepEqual(
    seen,
    keys.map(({ a, b, c, d }, n) => [a, b, c, d, true, 3, T + 1_000 + n, T + n].join()),
  );
  let own = 0;
  ends.visit(0, 10_000, T, true, record, () => own++);
  assert.equal(own, 450);
});

test('L9: a table for 1,000 sessions refuses each of 100,000 that have ended, and each of 10,000 ids that were rotated away', (t) => {
  const memory = SessionTable.allocate(1_000, 8);
  const table = new SessionTable(memory, 1);
  const row = new Row();
  const cookie = KEY_SOURCES.indexOf('cookie');
  const keys = randomKeys(120_000, 7);
  const idle = 1_800_000;
  for (let n = 0; n < 100_000; n++) {
    table.claim(keys[n]!, 0, n % 8, 1, cookie, T + n, row);
    table.confirm(keys[n]!, n % 8, T + n);
    assert.equal(table.end(keys[n]!, T + n, T + n + idle), true);
  }
  for (let n = 100_000; n < 110_000; n++) {
    table.claim(keys[n]!, 0, n % 8, 1, cookie, T + n, row);
    assert.equal(table.rotate(keys[n]!, keys[n + 10_000]!, T + n + idle, T + n, row), true);
  }
  const now = T + 110_000;
  for (let n = 0; n < 110_000; n++) {
    assert.equal(table.lookup(keys[n]!, now, idle, 0, row), Lookup.ENDED);
    assert.equal(table.adopt(keys[n]!, 0, 0, 1, cookie, T, now, row), false);
  }
  assert.deepEqual([table.endsKept, table.endsDropped, table.floor], [110_000, 0, 0]);
  assert.ok(table.size <= 1_000 && table.size > 900, `${table.size} sessions`);
  t.diagnostic(`memory for all ends: ${(memory.tombstones.buffer.byteLength / 2 ** 20).toFixed(1)} MiB`);
});

test('L9: what has to be dropped raises the floor above every cookie that it could have had', () => {
  const memory = SessionTable.allocate(10, 8);
  const table = new SessionTable(memory, 1);
  const { capacity } = memory.tombstones;
  const key = new Key();
  const end = (n: number): void => {
    key.set(n + 1, 2, Math.imul(n, 0x9e3779b1), n);
    table.end(key, T + n, T + n + 1_800_000_000);
  };
  for (let n = 0; n < capacity; n++) end(n);
  assert.equal(table.floor, 0);
  for (let n = 0; n < 1_000; n++) {
    end(capacity + n);
    assert.deepEqual([table.floor, table.endsDropped], [T + n, n + 1]);
  }
  // One whose time was over raises nothing.
  const other = new SessionTable(SessionTable.allocate(10, 8), 1);
  for (let n = 0; n <= other.endsCapacity; n++) {
    key.set(n + 1, 2, n, n);
    other.end(key, T + n, T + n + 100);
  }
  assert.deepEqual([other.floor, other.endsDropped], [0, 0]);
});

test('L9: limits that are raised bring nothing back that was forgotten under the old ones', () => {
  const table = new SessionTable(SessionTable.allocate(10, 8), 1);
  table.setLimits(3, 1_000, 5_000, T);
  table.setLimits(3, 1_000, 4_000, T);
  assert.equal(table.floor, 0);
  table.setLimits(3, 60_000, 90_000, T);
  assert.equal(table.floor, T - 1_000);
});
