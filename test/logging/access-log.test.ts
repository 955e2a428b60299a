import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AccessLog, type AccessRecord } from '../../src/logging/access-log.ts';
import { OUTCOMES, Outcome } from '../../src/metrics/outcomes.ts';

const record: AccessRecord = {
  time: Date.UTC(2026, 0, 31, 12, 0, 5, 7),
  id: 'r-1',
  client: '2001:db8::1',
  method: 'POST',
  host: 'shop.example:8080',
  path: '/cart/items',
  status: 201,
  bytesIn: 10,
  bytesOut: 2000,
  durationMs: 12.3456,
  pool: 'shop',
  backend: 'a',
  session: 'AAAAAAAAAAAAAAAAAAAAAQ',
  affinity: Outcome.moved,
  attempts: 2,
  error: null,
  detail: '',
};

function lineOf(changes: Partial<AccessRecord>, log?: AccessLog): string {
  let line = '';
  const sink = { write: (text: string) => void (line += text) };
  (log ?? new AccessLog(sink)).log({ ...record, ...changes });
  return line;
}

function parsed(changes: Partial<AccessRecord>): Record<string, unknown> {
  return JSON.parse(lineOf(changes));
}

test('a request is one JSON line with every field of the interface', () => {
  const line = lineOf({});
  assert.equal(line.indexOf('\n'), line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    level: 'info',
    time: '2026-01-31T12:00:05.007Z',
    msg: 'request',
    id: 'r-1',
    client: '2001:db8::1',
    method: 'POST',
    host: 'shop.example:8080',
    path: '/cart/items',
    status: 201,
    bytesIn: 10,
    bytesOut: 2000,
    durationMs: 12.346,
    pool: 'shop',
    backend: 'a',
    session: 'AAAAAAAAAAAAAAAAAAAAAQ',
    affinity: 'moved',
    attempts: 2,
    error: null,
    detail: null,
  });
});

test('what a request does not have is null, and every line has the same members', () => {
  const line = parsed({
    pool: '',
    backend: '',
    session: '',
    affinity: -1,
    attempts: 0,
    status: 404,
    error: 'NO_ROUTE',
  });
  assert.deepEqual(
    [line.pool, line.backend, line.session, line.affinity, line.error, line.detail],
    [null, null, null, null, 'NO_ROUTE', null],
  );
  assert.equal(parsed({ error: 'BAD_REQUEST', detail: 'two Host lines' }).detail, 'two Host lines');
  assert.deepEqual(Object.keys(line), Object.keys(parsed({})));
});

test('session keys in the query or in path parameters are not written', () => {
  assert.equal(parsed({ path: '/a?sid=secret' }).path, '/a');
  assert.equal(parsed({ path: '/a;jsessionid=secret/b;v=secret?x' }).path, '/a;jsessionid=*/b;v=*');
  assert.equal(parsed({ path: '/a;flag/b' }).path, '/a;flag/b');
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z/;=?&.]{0,20}$/),
      fc.constantFrom('?sid=', '/x;k=', ';a=b;k=', '??'),
      (start, mark) => {
        assert.equal(lineOf({ path: `/${start}${mark}SECRET` }).includes('SECRET'), false);
      },
    ),
  );
});

test('no value can break out of its member or its line', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom('"', '\\', '\n', '\u2028', '\u001b[2J', '\u007f', 'é', '\ud800'),
  );
  fc.assert(
    fc.property(text, text, text, text, (id, client, method, host) => {
      const line = lineOf({ id, client, method, host });
      assert.match(line, /^[\x20-\x7e]*\n$/);
      const back = JSON.parse(line) as Record<string, unknown>;
      assert.deepEqual(
        [back.id, back.client, back.method, back.host],
        [id, client, method, host].map((s) => s || null),
      );
    }),
  );
});

test('values that change from line to line are written as they are now', () => {
  const lines: string[] = [];
  const log = new AccessLog({ write: (line) => void lines.push(line) });
  const hosts = ['a', 'a', '', 'b"', 'b"', 'a'];
  const times = [5007, 5999, 6000, 5000, -1, 1e12 + 0.9].map((ms) => ms);
  hosts.forEach((host, i) => {
    log.log({ ...record, host, time: times[i]! });
  });
  const back = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    back.map(({ host }) => host),
    hosts.map((host) => host || null),
  );
  assert.deepEqual(
    back.map(({ time }) => time),
    times.map((ms) => new Date(Math.floor(ms)).toISOString()),
  );
});

test('durations are numbers with three decimals at most, and never below zero', () => {
  for (const [ms, written] of [
    [0, 0],
    [0.0004, 0],
    [0.9996, 1],
    [59_999.9999, 60_000],
    [1.05, 1.05],
    [-2, 0],
    [Number.NaN, 0],
    [123_456_789.123, 123_456_789.123],
  ] as const) {
    assert.equal(parsed({ durationMs: ms }).durationMs, written);
  }
});

test('every outcome has its word', () => {
  OUTCOMES.forEach((word, affinity) => {
    assert.equal(parsed({ affinity }).affinity, word);
  });
});

test('the access log is on when log.access is true and the level lets info through', () => {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
  assert.deepEqual(
    levels.filter((level) => AccessLog.isOn(true, level)),
    ['trace', 'debug', 'info'],
  );
  assert.equal(AccessLog.isOn(false, 'info'), false);
});
