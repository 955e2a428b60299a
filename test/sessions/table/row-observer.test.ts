import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format } from '../../../src/keys/public-id.ts';
import { MoveReason } from '../../../src/sessions/table/move-reasons.ts';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { collidingKeys, randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const IDLE = 1_000;
const LIFETIME = 10_000;
const [KEY, OTHER] = randomKeys(2, 3);
const row = new Row();

/** A table whose events are texts such as `moved 2<1.7 operator`, with the backend's slot. */
function make(max = 1000) {
  const table = new SessionTable(SessionTable.allocate(max, 16), 1);
  table.setLimits(0, IDLE, LIFETIME);
  const seen: string[] = [];
  const keys: string[] = [];
  const say = (text: string, session: RowRecord): void => {
    seen.push(text);
    keys.push(format(session.key));
  };
  table.observer = {
    endsOnly: false,
    began: (session) => say(`began ${session.backend}`, session),
    adopted: (session) => say(`adopted ${session.backend}`, session),
    moved: (session, slot, generation, reason) =>
      say(`moved ${session.backend}<${slot}.${generation} ${reason}`, session),
    gone: (session, why, asked) => say(`gone ${why}${asked ? ' asked' : ''}`, session),
  };
  return { table, seen, keys };
}

function begin(table: SessionTable, key = KEY!, slot = 1): void {
  table.claim(key, 0, slot, 7, 0, T, row);
  table.confirm(key, slot, T);
}

test('a session begins when a backend has answered it, once, whoever claimed it', () => {
  const { table, seen, keys } = make();
  table.claim(KEY!, 0, 1, 7, 0, T, row);
  assert.deepEqual(seen, []);
  table.move(KEY!, 1, 2, 7, MoveReason['backend-down'], T, row);
  assert.equal(table.confirm(KEY!, 1, T), false);
  assert.deepEqual(seen, [], 'nobody has answered yet: it has not moved either');
  table.confirm(KEY!, 2, T);
  table.confirm(KEY!, 2, T + 1);
  assert.deepEqual(seen, ['began 2']);
  assert.deepEqual(keys, [format(KEY!)]);
});

test('a claim that nobody answers is no session: it neither expires nor is evicted', () => {
  const { table, seen } = make();
  table.claim(KEY!, 0, 1, 7, 0, T, row);
  assert.equal(table.lookup(KEY!, T + IDLE, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
  table.claim(OTHER!, 0, 1, 7, 0, T, row);
  table.release(OTHER!, 1);
  assert.deepEqual(seen, []);
});

test('a move is told with where it came from, by the one that made it', () => {
  const { table, seen } = make();
  begin(table);
  assert.equal(table.move(KEY!, 1, 2, 9, MoveReason.operator, T, row), true);
  assert.equal(table.move(KEY!, 1, 3, 9, MoveReason.operator, T, row), false);
  assert.deepEqual(seen, ['began 1', `moved 2<1.7 ${MoveReason.operator}`]);
});

test('an expired session is told once: to a request, to the sweep, or to the row that takes its place (23)', () => {
  for (const [why, wait] of [
    ['idle', IDLE],
    ['lifetime', LIFETIME],
  ] as const) {
    const { table, seen } = make();
    // Seen all the time, in the one case.
    const keep = (): void => {
      for (let now = T; now < T + wait; now += IDLE / 2) table.lookup(KEY!, now, IDLE, LIFETIME, row);
    };
    const over = T + wait + (why === 'idle' ? IDLE : 0);
    begin(table);
    keep();
    table.lookup(KEY!, over, IDLE, LIFETIME, row);
    table.lookup(KEY!, over, IDLE, LIFETIME, row);
    table.sweep(table.buckets, over);
    assert.deepEqual(seen, ['began 1', `gone ${why} asked`]);
    seen.length = 0;
    begin(table);
    keep();
    table.sweep(table.buckets, over);
    table.sweep(table.buckets, over);
    table.lookup(KEY!, over, IDLE, LIFETIME, row);
    assert.deepEqual(seen, ['began 1', `gone ${why}`]);
    seen.length = 0;
    begin(table);
    keep();
    table.claim(KEY!, 0, 1, 7, 0, over, row);
    assert.deepEqual(seen, ['began 1', `gone ${why} asked`]);
  }
});

test('a session that has to go for another one is evicted; a tombstone is none', () => {
  const { table, seen, keys } = make();
  const crowd = collidingKeys(18);
  for (const [n, key] of crowd.slice(0, 16).entries()) {
    table.claim(key, 0, 1, 7, 0, T + n, row);
    table.confirm(key, 1, T + n);
  }
  seen.length = 0;
  keys.length = 0;
  table.claim(crowd[16]!, 0, 1, 7, 0, T + 20, row);
  assert.deepEqual(seen, ['gone evicted']);
  assert.deepEqual(keys, [format(crowd[0]!)]);
  seen.length = 0;
  for (const key of crowd.slice(1, 17)) table.end(key, T + 30, T + 1_000_000);
  table.claim(crowd[17]!, 0, 1, 7, 0, T + 31, row);
  assert.deepEqual(seen, []);
});

test('a session that its cookie proves is adopted; one that another process knew, or that gets another key, is not new', () => {
  const { table, seen } = make();
  table.adopt(KEY!, 0, 4, 7, 0, T - 5, T, row);
  assert.deepEqual(seen, ['adopted 4']);
  const record = new RowRecord();
  record.key.copy(OTHER!);
  Object.assign(record, { backend: 1, generation: 7, created: T, lastSeen: T, requests: 1 });
  assert.equal(table.merge(record, T), 'added');
  table.confirm(OTHER!, 1, T);
  table.applyStoreAnswer(OTHER!, 2, 7, T, 1, T, row, true);
  table.end(OTHER!, T, T + 1_000);
  const [next] = randomKeys(1, 9);
  assert.equal(table.rotate(KEY!, next!, T + 1_000, T, row), true);
  assert.deepEqual(seen, ['adopted 4']);
});

test('a session that another process has claimed begins there, also when a backend answers it here first', () => {
  const { table, seen } = make();
  const record = new RowRecord();
  record.key.copy(OTHER!);
  Object.assign(record, { backend: 1, generation: 7, created: T, lastSeen: T, requests: 1, provisional: true });
  table.merge(record, T);
  table.confirm(OTHER!, 1, T);
  table.claim(KEY!, 0, 1, 7, 0, T, row, true, true);
  table.applyStoreAnswer(KEY!, 2, 7, T, 0, T, row);
  table.clearClaimed(KEY!, T);
  table.confirm(KEY!, 2, T);
  assert.deepEqual(seen, []);
});

test('what expired here and was seen elsewhere since has not expired', () => {
  const { table, seen } = make();
  begin(table);
  const record = new RowRecord();
  record.key.copy(KEY!);
  Object.assign(record, { backend: 1, generation: 7, created: T, lastSeen: T + IDLE, requests: 1 });
  assert.equal(table.merge(record, T + IDLE), 'added');
  assert.deepEqual(seen, ['began 1']);
});
