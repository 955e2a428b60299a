import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StripedLocks } from '../../../src/sessions/table/locks.ts';
import { sweepPace } from '../../../src/sessions/table/sweep.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { tableOffsets } from '../../../src/sessions/table/table-memory.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const row = new Row();

test('sweeping frees what has expired, pool by pool, and nothing else (23)', () => {
  const table = new SessionTable(SessionTable.allocate(2000, 16), 1);
  table.setLimits(0, 100, 0);
  table.setLimits(1, 0, 150);
  const keys = randomKeys(300, 1);
  keys.forEach((key, n) => {
    table.claim(key, n % 3, n % 5, 1, 0, T + (n % 2) * 10, row);
  });
  assert.equal(table.sweep(table.buckets, T + 99), 0);
  assert.equal(table.sweep(table.buckets, T + 100), 50);
  assert.equal(table.sweep(table.buckets, T + 110), 50);
  assert.deepEqual([table.size, table.sessionsOfPool(0), table.sessionsOfPool(1)], [200, 0, 100]);
  assert.equal(table.sweep(table.buckets, T + 160), 100);
  assert.equal(table.sweep(table.buckets, T + 1e12), 0);
  assert.deepEqual([table.size, table.sessionsOfPool(2), table.evictions], [100, 100, 0]);
});

test('it goes round in small steps, each of which goes on where the last one stopped', () => {
  const table = new SessionTable(SessionTable.allocate(2000, 16), 1);
  table.setLimits(0, 100, 0);
  for (const key of randomKeys(300, 2)) table.claim(key, 0, 0, 1, 0, T, row);
  let freed = 0;
  let steps = 0;
  for (let done = 0; done < table.buckets; done += 10, steps++) freed += table.sweep(10, T + 100);
  assert.deepEqual([freed, table.size], [300, 0]);
  assert.ok(steps > 10);
  for (const key of randomKeys(300, 3)) table.claim(key, 0, 0, 1, 0, T, row);
  assert.equal(table.sweep(1e9, T + 100), 300, 'no more than once round');
});

test('tombstones go when their time is over, and are not counted as expired sessions', () => {
  const table = new SessionTable(SessionTable.allocate(10, 16), 1);
  const [key] = randomKeys(1, 1);
  table.claim(key!, 0, 0, 1, 0, T, row);
  table.end(key!, T, T + 50);
  assert.equal(table.sweep(table.buckets, T + 49), 0);
  assert.equal(table.peek(key!, T + 49, row), Lookup.ENDED);
  assert.equal(table.sweep(table.buckets, T + 50), 0);
  assert.equal(table.peek(key!, T + 50, row), Lookup.NONE);
  // By a clock that is set back it is remembered still.
  assert.equal(table.peek(key!, T, row), Lookup.ENDED);
});

test('a bucket that another thread holds is left for the next round: sweeping never waits', () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  table.setLimits(0, 100, 0);
  table.claim(randomKeys(1, 1)[0]!, 0, 0, 1, 0, T, row);
  const other = new StripedLocks(new Int32Array(memory.buffer), tableOffsets(memory).locks, memory.stripes, 2);
  for (let n = 0; n < memory.stripes; n++) other.lock(n);
  assert.equal(table.sweep(table.buckets, T + 100), 0);
  for (let n = 0; n < memory.stripes; n++) other.unlock(n);
  assert.equal(table.sweep(table.buckets, T + 100), 1);
});

test('the whole table is gone through in a minute, in turns that stay short however large it is', () => {
  for (const buckets of [1, 100, 15_000, 122_880, 131_072, 1_562_500, 16_000_000]) {
    const pace = sweepPace(buckets);
    const roundMs = Math.ceil(buckets / pace.buckets) * pace.everyMs;
    assert.ok(roundMs <= 61_000, `${buckets}: ${roundMs} ms`);
    assert.ok(pace.everyMs >= 10 && pace.everyMs <= 250);
    // Up to ten million sessions; beyond, the machine's cores are more.
    if (buckets <= 1_562_500) assert.ok(pace.buckets <= 520, `${buckets}: ${pace.buckets} at a time`);
  }
});
