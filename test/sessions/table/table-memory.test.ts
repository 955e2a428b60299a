import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Key } from '../../../src/keys/key.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { tableOffsets } from '../../../src/sessions/table/table-memory.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const MINUTE = 60_000;
const IDLE = 30 * MINUTE;
const LIFETIME = 12 * 60 * MINUTE;
const KEY = randomKeys(1, 1)[0]!;

function makeTable(max = 1000): SessionTable {
  return new SessionTable(SessionTable.allocate(max, 16), 1);
}

test('what does not fit is refused before anything is changed, and so is the all-zero key (22)', () => {
  const table = new SessionTable(SessionTable.allocate(10, 4, 4, 2), 1);
  const row = new Row();
  const refused = { name: 'RangeError' };
  for (const bad of [-1, 4, 1.5, Number.NaN]) {
    assert.throws(() => table.claim(KEY, 0, bad, 1, 0, T, row), refused);
    assert.throws(() => table.move(KEY, 0, bad, 1, 0, T, row), refused);
    assert.throws(() => table.sessions(bad), refused);
    assert.throws(() => table.sessionsOfPool(bad), refused);
    assert.throws(() => table.setLimits(bad, 1, 1), refused);
    assert.throws(() => table.adopt(KEY, bad, 0, 1, 0, T, T, row), refused);
  }
  assert.throws(() => table.claim(KEY, 0, 0, 65536, 0, T, row), refused);
  assert.throws(() => table.claim(KEY, 0, 0, 1, 256, T, row), refused);
  assert.throws(() => table.claim(new Key(), 0, 0, 1, 0, T, row), { name: 'RangeError', message: /all-zero/ });
  assert.throws(() => table.end(new Key(), T, T + 1), { name: 'RangeError', message: /all-zero/ });
  assert.equal(table.size, 0);
  assert.equal(table.lookup(new Key(), T, 0, 0, row), Lookup.NONE);
  for (const [max, slots] of [
    [0, 1],
    [1.5, 1],
    [2e8, 1],
    [10, 0],
    [10, 65535],
  ] as const) {
    assert.throws(() => SessionTable.allocate(max, slots), refused);
  }
  const memory = SessionTable.allocate(10, 4, 4);
  for (const owner of [0, 1.5, 5, Number.NaN]) assert.throws(() => new SessionTable(memory, owner), refused);
});

test('keys that differ in a single bit, whichever, are different keys (22)', () => {
  const row = new Row();
  const key = new Key();
  for (const known of randomKeys(5, 6)) {
    const table = makeTable();
    table.claim(known, 0, 1, 1, 0, T, row);
    for (let bit = 0; bit < 128; bit++) {
      key.copy(known);
      const word = (['a', 'b', 'c', 'd'] as const)[bit >> 5]!;
      key[word] ^= 1 << (bit & 31);
      assert.equal(table.lookup(key, T, 0, 0, row), Lookup.NONE, `bit ${bit}`);
    }
    assert.equal(table.lookup(known, T, 0, 0, row), Lookup.LIVE);
  }
});

test('a half-written row is a free one', () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  const row = new Row();
  table.claim(KEY, 0, 1, 1, 0, T, row);
  const words = new Int32Array(memory.buffer, tableOffsets(memory).rows * 4);
  const at = words.indexOf(KEY.a);
  // As if its thread had gone before the state, which is written last, or had not yet written all of the key.
  words[at + 8] = 0;
  assert.equal(table.lookup(KEY, T, 0, 0, row), Lookup.NONE);
  assert.equal(table.peek(KEY, T, row), Lookup.NONE);
  assert.deepEqual(table.list({ limit: 10 }, T).sessions, []);
  assert.equal(table.claim(KEY, 0, 2, 1, 0, T, row), true);
  assert.equal(table.peek(KEY, T, row), Lookup.LIVE);
  assert.equal(row.backend, 2);
});

test('a session costs at most 100 bytes, everything counted', () => {
  const sizes = [
    [10_000, 5],
    [100_000, 64],
    [1_000_000, 64],
    [10_000_000, 64],
  ] as const;
  for (const [max, threads] of sizes) {
    const perSession = SessionTable.allocate(max, 1024, threads).buffer.byteLength / max;
    assert.ok(perSession >= 64 && perSession <= 100, `${perSession} bytes with ${max}`);
  }
});

test('ten million sessions: rows at the far end of the memory are found', () => {
  const memory = SessionTable.allocate(10_000_000, 16);
  assert.ok(memory.buffer.byteLength > 2 ** 29);
  const table = new SessionTable(memory, 1);
  const row = new Row();
  const keys = randomKeys(2000, 3);
  keys.forEach((key, n) => {
    if (n % 100 === 0) key.c = -1 - n;
    if (n % 100 === 1) key.d = -1 - n;
  });
  keys.forEach((key, n) => {
    assert.equal(table.claim(key, 0, n % 16, n, 0, T, row), true);
  });
  keys.forEach((key, n) => {
    assert.equal(table.lookup(key, T, IDLE, LIFETIME, row), Lookup.LIVE);
    assert.deepEqual([row.backend, row.generation], [n % 16, n]);
  });
  assert.equal(table.size, 2000);
});

test('a lookup allocates nothing', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const table = makeTable();
  const row = new Row();
  const keys = randomKeys(500, 4);
  for (const key of keys.slice(100)) table.claim(key, 0, 1, 1, 0, T, row);
  // One time for all lookups: a double that is computed anew is boxed when it is passed, and that would be this test's
  // own garbage.
  const run = (now: number): number => {
    let live = 0;
    for (let n = 0; n < 50_000; n++) {
      if (table.lookup(keys[n % 500]!, now, IDLE, LIFETIME, row) === Lookup.LIVE) live++;
    }
    return live;
  };
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    assert.equal(run(T + round), 40_000);
    least = Math.min(least, process.memoryUsage().heapUsed - before);
  }
  assert.ok(least < 50_000, `${least} bytes for 50000 lookups`);
});
