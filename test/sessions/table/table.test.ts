import assert from 'node:assert/strict';
import { test } from 'node:test';
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

test('a request refreshes its session and counts; looking at it does neither (20)', () => {
  const table = makeTable();
  const row = new Row();
  assert.equal(table.claim(KEY, 2, 3, 7, 1, T, row), true);
  assert.deepEqual(
    { ...row },
    {
      state: Lookup.LIVE,
      pool: 2,
      backend: 3,
      at: row.at,
      generation: 7,
      created: T,
      lastSeen: T,
      issued: 0,
      requests: 1,
      moves: 0,
      by: 1,
      provisional: true,
      pending: false,
      movedFrom: -1,
      movedReason: 0,
      failbackTo: -1,
      failbackGeneration: 0,
      binding: 0,
      userA: 0,
      userB: 0,
      joined: false,
      sessionA: 0,
      sessionB: 0,
      sessionC: 0,
      sessionD: 0,
    },
  );
  assert.equal(table.lookup(KEY, T + 1000, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(row.lastSeen, T, 'the request before this one');
  assert.equal(row.requests, 2, 'this one included');
  for (let n = 0; n < 3; n++) assert.equal(table.peek(KEY, T + 2000, row), Lookup.LIVE);
  assert.equal(table.list({ limit: 10 }, T + 2000).sessions.length, 1);
  assert.equal(table.peek(KEY, T + 2000, row), Lookup.LIVE);
  assert.equal(row.lastSeen, T + 1000);
  assert.equal(row.requests, 2);
  assert.equal(table.lookup(KEY, T + 1000 + IDLE - 1, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(table.lookup(KEY, T + 1000 + IDLE - 1 + IDLE, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
});

test('an expired session is unusable from that moment without any sweep, is told once, and then is none (23)', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 2, 3, 7, 0, T, row);
  assert.equal(table.lookup(KEY, T + IDLE, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
  assert.equal(row.backend, 3, 'what it was');
  assert.equal(table.size, 0);
  assert.equal(table.lookup(KEY, T + IDLE, IDLE, LIFETIME, row), Lookup.NONE);
  assert.equal(row.backend, -1);
});

test('the lifetime is never extended by requests; of two limits passed, the first one passed is told (9, 23)', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 0, 0, 1, 0, T, row);
  for (let at = T; at < T + LIFETIME; at += IDLE - 1)
    assert.equal(table.lookup(KEY, at, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(table.lookup(KEY, T + LIFETIME, IDLE, LIFETIME, row), Lookup.LIFETIME_EXPIRED);
  table.claim(KEY, 0, 0, 1, 0, T, row);
  assert.equal(table.lookup(KEY, T + LIFETIME + 1, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
  table.claim(KEY, 0, 0, 1, 0, T, row);
  assert.equal(table.lookup(KEY, T + 100, 50, 50, row), Lookup.LIFETIME_EXPIRED);
});

test('a limit of 0 or Infinity is none', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 0, 0, 1, 0, T, row);
  for (const [idle, lifetime] of [
    [0, 0],
    [Infinity, Infinity],
    [0, Infinity],
  ] as const) {
    table.setLimits(0, idle, lifetime);
    assert.equal(table.lookup(KEY, T + 1e12, idle, lifetime, row), Lookup.LIVE);
    assert.equal(table.peek(KEY, T + 1e13, row), Lookup.LIVE);
  }
});

test('a clock that is set back expires nothing and makes nothing live for ever', () => {
  const table = makeTable();
  const row = new Row();
  const YEAR = 365 * 24 * 60 * MINUTE;
  table.claim(KEY, 0, 0, 1, 0, T + YEAR, row);
  assert.equal(table.setIssued(KEY, T), true);
  assert.equal(table.lookup(KEY, T, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(table.lookup(KEY, T + IDLE - 1, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(row.created, T, 'it began no later than now');
  assert.equal(table.lookup(KEY, T + 2 * IDLE - 1, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
  table.claim(KEY, 0, 0, 1, 0, T + YEAR, row);
  table.setLimits(0, IDLE, LIFETIME);
  assert.equal(table.sweep(table.buckets, T), 0);
  assert.equal(table.sweep(table.buckets, T + IDLE), 1, 'a sweep has brought it back to the present');
});

test('an ended key stays refused until its time, then is unknown (24)', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 2, 3, 7, 0, T, row);
  assert.equal(table.end(KEY, T, T + LIFETIME), true);
  assert.deepEqual([table.size, table.sessions(3), table.sessionsOfPool(2)], [0, 0, 0]);
  assert.equal(table.lookup(KEY, T + 1, IDLE, LIFETIME, row), Lookup.ENDED);
  assert.equal(table.peek(KEY, T + 1, row), Lookup.ENDED);
  assert.equal(table.claim(KEY, 2, 4, 1, 0, T + 1, row), false);
  assert.deepEqual([row.state, row.backend], [Lookup.ENDED, -1]);
  assert.equal(table.adopt(KEY, 2, 4, 1, 0, T, T + 1, row), false);
  assert.equal(table.move(KEY, 3, 4, 1, 0, T + 1, row), false);
  assert.equal(table.confirm(KEY, 3, T + 1), false);
  assert.equal(table.release(KEY, 3), false);
  assert.equal(table.end(KEY, T + 1, T + 2), false, 'a shorter tombstone does not take the place of a longer one');
  assert.equal(table.lookup(KEY, T + LIFETIME - 1, IDLE, LIFETIME, row), Lookup.ENDED);
  assert.equal(table.lookup(KEY, T + LIFETIME, IDLE, LIFETIME, row), Lookup.NONE);
  assert.equal(table.adopt(KEY, 2, 4, 1, 0, T, T + LIFETIME, row), true);
});

test('a key without a row is refused too once it has ended, and a client may begin anew with a key of its own choice (24)', () => {
  const table = makeTable();
  const row = new Row();
  assert.equal(table.end(KEY, T, T + LIFETIME), false);
  assert.equal(table.claim(KEY, 0, 1, 1, 0, T, row), false);
  assert.equal(table.claim(KEY, 0, 1, 1, 4, T, row, true), true);
  assert.equal(table.lookup(KEY, T, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(table.end(KEY, T, T), true, 'nothing to wait for');
  assert.equal(table.lookup(KEY, T, IDLE, LIFETIME, row), Lookup.NONE);
});

test('a claim loses to the session that is there, and is a request of it (18)', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 0, 1, 5, 0, T, row);
  assert.equal(table.claim(KEY, 0, 2, 6, 0, T + 10, row), false);
  assert.deepEqual([row.state, row.backend, row.generation, row.requests, row.lastSeen], [Lookup.LIVE, 1, 5, 2, T]);
  table.setLimits(0, IDLE, LIFETIME);
  assert.equal(table.claim(KEY, 0, 2, 6, 0, T + 10 + IDLE, row), true, 'an expired one is none');
  assert.deepEqual([row.backend, row.created, table.size], [2, T + 10 + IDLE, 1]);
});

test('a provisional session is dropped by the request that made it, and stays once a backend has answered', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 0, 1, 1, 0, T, row);
  assert.equal(table.release(KEY, 2), false, 'it is bound elsewhere');
  assert.equal(table.release(KEY, 1), true);
  assert.equal(table.release(KEY, 1), false);
  assert.equal(table.size, 0);
  table.claim(KEY, 0, 1, 1, 0, T, row);
  assert.equal(table.confirm(KEY, 2, T + 5), false);
  assert.equal(table.confirm(KEY, 1, T + 5), true);
  assert.equal(table.release(KEY, 1), false);
  table.peek(KEY, T + 5, row);
  assert.deepEqual([row.provisional, row.lastSeen], [false, T + 5]);
});

test('an adopted session keeps its age, and is not provisional', () => {
  const table = makeTable();
  const row = new Row();
  assert.equal(table.adopt(KEY, 0, 1, 1, 0, T - LIFETIME + 1, T, row), true);
  assert.deepEqual([row.created, row.lastSeen, row.provisional], [T - LIFETIME + 1, T, false]);
  assert.equal(table.lookup(KEY, T, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.equal(table.lookup(KEY, T + 1, IDLE, LIFETIME, row), Lookup.LIFETIME_EXPIRED);
  table.adopt(KEY, 0, 1, 1, 0, T + 1e9, T, row);
  assert.equal(row.created, T, 'not in the future');
});

test('a move is told until it is confirmed, and one that comes too late sees where the session went (33)', () => {
  const table = makeTable();
  const row = new Row();
  table.adopt(KEY, 0, 1, 1, 0, T, T, row);
  assert.equal(table.move(KEY, 1, 2, 9, 5, T + 10, row), true);
  assert.deepEqual(
    [row.backend, row.generation, row.movedFrom, row.movedReason, row.moves, row.lastSeen],
    [2, 9, 1, 5, 1, T],
  );
  assert.equal(table.move(KEY, 1, 3, 1, 0, T + 10, row), false);
  assert.deepEqual(
    [row.state, row.backend, table.sessions(1), table.sessions(2), table.sessions(3)],
    [Lookup.LIVE, 2, 0, 1, 0],
  );
  table.lookup(KEY, T + 20, IDLE, LIFETIME, row);
  assert.equal(row.movedFrom, 1, 'not told yet');
  table.confirm(KEY, 2, T + 20);
  table.lookup(KEY, T + 20, IDLE, LIFETIME, row);
  assert.deepEqual([row.movedFrom, row.moves], [-1, 1]);
});

test('moved twice before it is told, a session comes from where its state is; moved back there, from nowhere', () => {
  const table = makeTable();
  const row = new Row();
  table.adopt(KEY, 0, 1, 1, 0, T, T, row);
  table.move(KEY, 1, 2, 1, 0, T, row);
  table.move(KEY, 2, 3, 1, 4, T, row);
  assert.deepEqual([row.movedFrom, row.movedReason, row.moves], [1, 4, 2]);
  table.move(KEY, 3, 1, 1, 5, T, row);
  assert.deepEqual([row.backend, row.movedFrom, row.moves], [1, -1, 3]);
});

test('a session that no backend has answered yet moves without notice: there is no state that could be lost', () => {
  const table = makeTable();
  const row = new Row();
  table.claim(KEY, 0, 1, 1, 0, T, row);
  assert.equal(table.move(KEY, 1, 2, 1, 0, T, row), true);
  assert.deepEqual([row.backend, row.movedFrom, row.moves, row.provisional], [2, -1, 0, true]);
});

test('where a slot was given to another backend, the generation decides who may move (12)', () => {
  const table = makeTable();
  const row = new Row();
  table.adopt(KEY, 0, 1, 1, 0, T, T, row);
  assert.equal(table.move(KEY, 1, 1, 2, 2, T, row, 1), true);
  assert.deepEqual([row.backend, row.generation, row.movedFrom, table.sessions(1)], [1, 2, 1, 1]);
  assert.equal(table.move(KEY, 1, 3, 1, 2, T, row, 1), false);
  assert.deepEqual([row.backend, row.generation], [1, 2]);
});

test('moves are counted up to 255, requests up to 2^32 - 1', () => {
  const memory = SessionTable.allocate(10, 16);
  const table = new SessionTable(memory, 1);
  const row = new Row();
  table.adopt(KEY, 0, 0, 1, 0, T, T, row);
  for (let n = 0; n < 300; n++) table.move(KEY, n % 2, (n + 1) % 2, 1, 0, T, row);
  assert.equal(row.moves, 255);
  const words = new Int32Array(memory.buffer, tableOffsets(memory).rows * 4);
  const at = words.indexOf(KEY.a);
  const requests = (at >> 7) * 128 + 16 + (at & 7) * 14 + 4;
  assert.equal(words[requests], 1);
  words[requests] = -2;
  for (const _ of [1, 2, 3]) table.lookup(KEY, T, 0, 0, row);
  assert.equal(row.requests, 0xffffffff);
});
