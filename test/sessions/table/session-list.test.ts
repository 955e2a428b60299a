import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { format } from '../../../src/keys/public-id.ts';
import { Row, type SessionQuery, SessionTable } from '../../../src/sessions/table/table.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const row = new Row();

function fill(count: number, seed = 1): { table: SessionTable; keys: ReturnType<typeof randomKeys> } {
  const table = new SessionTable(SessionTable.allocate(2000, 16), 1);
  const keys = randomKeys(count, seed);
  keys.forEach((key, n) => {
    table.claim(key, n % 2, n % 3, 1, 0, T, row);
  });
  return { table, keys };
}

/** All pages, with `between` called after each. */
function pages(table: SessionTable, query: SessionQuery, now: number, between = (): void => {}): string[] {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = table.list(cursor === null ? query : { ...query, cursor }, now);
    assert.ok(page.sessions.length <= query.limit);
    seen.push(...page.sessions.map((session) => session.key));
    cursor = page.cursor;
    between();
  } while (cursor !== null);
  return seen;
}

test('pages of any size hold every session once', () => {
  const { table, keys } = fill(200);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 250 }),
      fc.option(fc.integer({ min: 1, max: 3000 }), { nil: undefined }),
      (limit, scan) => {
        const seen = pages(table, scan === undefined ? { limit } : { limit, scan }, T);
        assert.deepEqual(seen.toSorted(), keys.map(format).toSorted());
      },
    ),
  );
});

test('sessions that stay are listed once each, whatever comes and goes between the pages', () => {
  const { table, keys } = fill(300);
  const [goes, stays] = [keys.slice(0, 150), keys.slice(150)];
  const comes = randomKeys(300, 99);
  const seen = pages(table, { limit: 7 }, T, () => {
    for (const key of goes.splice(0, 3)) table.remove(key);
    for (const key of comes.splice(0, 5)) table.claim(key, 0, 0, 1, 0, T, row);
  });
  assert.equal(new Set(seen).size, seen.length);
  const listed = new Set(seen);
  assert.deepEqual(
    stays.map(format).filter((key) => !listed.has(key)),
    [],
  );
});

test('a pool, a backend or both narrow the list', () => {
  const { table, keys } = fill(60);
  const of = (wanted: (n: number) => boolean): string[] =>
    keys
      .filter((_, n) => wanted(n))
      .map(format)
      .toSorted();
  assert.deepEqual(
    pages(table, { limit: 9, pool: 1 }, T).toSorted(),
    of((n) => n % 2 === 1),
  );
  assert.deepEqual(
    pages(table, { limit: 9, backend: 2 }, T).toSorted(),
    of((n) => n % 3 === 2),
  );
  assert.deepEqual(
    pages(table, { limit: 9, pool: 1, backend: 2 }, T).toSorted(),
    of((n) => n % 6 === 5),
  );
  assert.deepEqual(table.list({ limit: 9, backend: 7 }, T), { sessions: [], cursor: null });
});

test('expired sessions and tombstones are not listed, and listing removes nothing (20, 23)', () => {
  const { table, keys } = fill(10);
  table.setLimits(0, 100, 0);
  table.end(keys[1]!, T, T + 10_000);
  const seen = pages(table, { limit: 100 }, T + 100);
  assert.deepEqual(
    seen.toSorted(),
    keys
      .filter((_, n) => n % 2 === 1 && n !== 1)
      .map(format)
      .toSorted(),
  );
  assert.equal(table.size, 9);
});

test('a session is listed with all that the row holds', () => {
  const table = new SessionTable(SessionTable.allocate(10, 16), 1);
  const key = randomKeys(1, 5)[0]!;
  table.adopt(key, 3, 4, 5, 2, T - 50, T, row);
  table.setIssued(key, T - 20);
  table.move(key, 4, 6, 7, 1, T, row);
  assert.deepEqual(table.list({ limit: 1 }, T), {
    sessions: [
      {
        key: format(key),
        pool: 3,
        backend: 6,
        generation: 7,
        created: T - 50,
        lastSeen: T,
        issued: T - 20,
        requests: 1,
        moves: 1,
        by: 2,
        provisional: false,
        movedFrom: 4,
        movedReason: 1,
        userA: 0,
        userB: 0,
      },
    ],
    cursor: null,
  });
});

test('a page that looks at few rows keeps its cursor until the end', () => {
  const { table, keys } = fill(20);
  const page = table.list({ limit: 100, scan: 8 }, T);
  assert.ok(page.sessions.length <= 8);
  assert.notEqual(page.cursor, null);
  assert.equal(pages(table, { limit: 100, scan: 8 }, T).length, keys.length);
});

test('a cursor of another make, and a limit that is none, are refused', () => {
  const { table } = fill(1);
  for (const cursor of ['', '-1', 'zzzzzzz', '1.5', '1_1', '1 ', 'A']) {
    assert.throws(() => table.list({ limit: 1, cursor }, T), { name: 'RangeError', message: /cursor/ }, cursor);
  }
  for (const limit of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => table.list({ limit }, T), { name: 'RangeError', message: /limit/ });
    assert.throws(() => table.list({ limit: 1, scan: limit }, T), { name: 'RangeError', message: /scan/ });
  }
});
