import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { iso } from '../../../src/admin/views.ts';
import { parseLives } from '../../../src/backends/known-lives.ts';
import { Restarts } from '../../../src/health/restarts.ts';
import { parseChange, readStoredSession } from '../../../src/sessions/store/redis/stored-session.ts';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Row } from '../../../src/sessions/table/table.ts';
import { BackendLives } from '../../../src/supervisor/reload/backend-lives.ts';
import { testPool } from '../../backends/test-pool.ts';
import { makeTable, T } from '../named-backends.ts';

const wild = fc.oneof(
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, -8.64e15, 8.64e15, 9e15, 1e300, 0, T, T + 1e14),
  fc.double(),
);

test('L14: a row with wild dates or numbers from another process is refused or made one that can be shown', () => {
  fc.assert(
    fc.property(wild, wild, wild, wild, wild, fc.boolean(), (created, lastSeen, issued, requests, moves, ended) => {
      const table = makeTable(20);
      const record = new RowRecord();
      record.key.set(1, 2, 3, 4);
      Object.assign(record, { created, lastSeen, issued, requests, moves, ended, pool: 1 });
      const merged = table.merge(record, T);
      const row = new Row();
      table.peek(record.key, T, row);
      const { sessions } = table.list({ limit: 10 }, T);
      for (const one of sessions) {
        for (const at of [one.created, one.lastSeen]) assert.ok(at >= 0 && at <= T + 86_400_000, `${at} ${merged}`);
        assert.ok(Number.isInteger(one.requests) && Number.isInteger(one.moves));
        assert.ok(new Date(one.created + 3650 * 86_400_000).toISOString() !== '');
      }
      assert.ok(sessions.length === 0 || merged === 'added');
    }),
    { numRuns: 2_000 },
  );
});

test('L14: what is no date is shown as the last one', () => {
  assert.equal(iso(Number.NaN), '+275760-09-13T00:00:00.000Z');
  assert.equal(iso(9e15), '+275760-09-13T00:00:00.000Z');
  assert.equal(iso(0), '1970-01-01T00:00:00.000Z');
});

test('L14: lives of backends with wild numbers are none, and none begins in a time to come', () => {
  const { pool, state } = testPool([{ id: 'a' }]);
  const log = { warn: () => {} };
  const restarts = new Restarts({ count: () => {}, log, now: () => T });
  const lives = new BackendLives({ pools: [pool] }, state, restarts, () => T);
  const { life } = pool.backends[0]!;
  const text = JSON.stringify(
    [2 ** 31 - 1, 1e15, -1, 1.5, '7', null].map((number) => ({ name: 'shop/a', life: number, began: T })),
  );
  assert.deepEqual(parseLives(text), []);
  for (const [number, before] of [
    [2, true],
    [3, false],
  ] as const) {
    lives.learn(parseLives(JSON.stringify([{ name: 'shop/a', life: number, began: 1e300 }])), before);
    assert.deepEqual([life.number, life.began], [number, T]);
  }
});

test('L14: a session in Redis with wild dates or numbers is none, and says nothing of the store', () => {
  const good = ['stands', 'a', `${T}`, `${T}`, '1', '0', '0', 'shop', '1', '', '', '3'];
  assert.notEqual(readStoredSession(good.join('\n')), null);
  for (const [at, texts] of [
    [2, ['NaN', '9e15', '-1', '', '1e400']],
    [3, ['8.65e15']],
    [4, ['256', '-1']],
    [6, ['9e15']],
    [8, ['256', 'x']],
    [11, ['2147483648', '-1', '1e15', 'x']],
  ] as const) {
    for (const text of texts) assert.equal(readStoredSession(good.with(at, text).join('\n')), null, `${at}: ${text}`);
  }
  assert.equal(parseChange(['n', 'bound', 'id', 'shop', 'a', '9e15', '1', '1', '0'].join('\n')), null);
});
