import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { collidingKeys, randomKeys } from '../random-keys.ts';
import { records, T } from './random-records.ts';

const KEY = randomKeys(1, 1)[0]!;
const NOW = T + 2;

function makeTable(max = 100): SessionTable {
  return new SessionTable(SessionTable.allocate(max, 4, 1, 2), 1);
}

function rowsOf(table: SessionTable, now = NOW): RowRecord[] {
  const found: RowRecord[] = [];
  const visit = (record: RowRecord): void => {
    const copy = new RowRecord();
    copy.copy(record);
    // Known to this process alone: where it may go back to.
    copy.failbackTo = -1;
    copy.failbackGeneration = 0;
    found.push(copy);
  };
  assert.equal(table.copy(0, table.buckets, visit, now), table.buckets);
  return found;
}

/**
 * What a row is for others: of a tombstone only its time counts. What is known of its backend besides is no part of it.
 */
function meaning(row: RowRecord | undefined): object | null {
  if (row === undefined) return null;
  return row.ended ? { ended: true, until: row.lastSeen } : { ...row, firstStamp: 0, latestStamp: 0 };
}

function session(fields: Partial<Omit<RowRecord, 'key' | 'copy'>>): RowRecord {
  const record = Object.assign(new RowRecord(), { created: T, lastSeen: T, requests: 1, generation: 1, ...fields });
  record.key.copy(KEY);
  return record;
}

test('two processes that hear of each other have the same row after it, whoever was told first (26)', () => {
  fc.assert(
    fc.property(records(KEY), records(KEY), (one, other) => {
      const first = makeTable();
      const second = makeTable();
      for (const record of [one, other]) first.merge(record, NOW);
      for (const record of [other, one]) second.merge(record, NOW);
      const [a, b] = [rowsOf(first), rowsOf(second)];
      assert.ok(a.length <= 1);
      assert.deepEqual(meaning(a[0]), meaning(b[0]));
      // Hearing it again changes nothing.
      for (const record of [one, other]) first.merge(record, NOW);
      assert.deepEqual(meaning(rowsOf(first)[0]), meaning(a[0]));
    }),
    { numRuns: 3000 },
  );
});

test('a row that is merged into an empty table is there as it was, and counted', () => {
  fc.assert(
    fc.property(records(KEY), (record) => {
      const table = makeTable();
      const stands = !record.ended || record.lastSeen > NOW;
      assert.equal(table.merge(record, NOW), stands ? 'added' : 'kept');
      assert.deepEqual(rowsOf(table).map(meaning), stands ? [meaning(record)] : []);
      const live = record.ended || record.joined ? 0 : 1;
      assert.equal(table.size, live);
      assert.equal(table.sessions(record.backend), live);
      assert.equal(table.sessionsOfPool(1), live);
    }),
  );
});

test('whatever is merged, counters and rows agree', () => {
  fc.assert(
    fc.property(fc.array(records(KEY), { maxLength: 12 }), (list) => {
      const table = makeTable();
      for (const record of list) table.merge(record, NOW);
      const live = rowsOf(table).filter(({ ended, joined }) => !ended && !joined);
      assert.equal(table.size, live.length);
      for (let slot = 0; slot < 4; slot++)
        assert.equal(table.sessions(slot), live.filter(({ backend }) => backend === slot).length);
    }),
  );
});

test('of two bindings the older one wins, then the one moved more often, then the one seen last (26)', () => {
  const pairs: [winner: Partial<RowRecord>, loser: Partial<RowRecord>][] = [
    [
      { created: T - 1, backend: 1 },
      { created: T, backend: 2, moves: 9, lastSeen: T + 9 },
    ],
    [
      { backend: 1, moves: 2 },
      { backend: 2, moves: 1, lastSeen: T + 9 },
    ],
    [
      { backend: 2, lastSeen: T + 9 },
      { backend: 1, lastSeen: T + 8 },
    ],
    // The same slot, but of another generation, is another backend.
    [
      { backend: 1, generation: 2, created: T - 1 },
      { backend: 1, generation: 3 },
    ],
  ];
  for (const [winner, loser] of pairs) {
    const table = makeTable();
    assert.equal(table.merge(session(loser), NOW), 'added');
    assert.equal(table.merge(session(winner), NOW), 'replaced');
    assert.equal(table.merge(session(loser), NOW), 'kept');
    assert.deepEqual(rowsOf(table), [session(winner)]);
  }
});

test('on one backend each keeps what the other knows better, and a move that was told once is told', () => {
  const table = makeTable();
  const ours = session({ requests: 7, lastSeen: T + 1, created: T - 5, provisional: true, pending: true });
  ours.moves = 1;
  ours.movedFrom = 2;
  ours.movedReason = 1;
  table.merge(ours, NOW);
  const theirs = session({ requests: 3, lastSeen: T + 2, created: T - 2, issued: T + 1, moves: 1, userA: 8 });
  assert.equal(table.merge(theirs, NOW), 'kept');
  assert.deepEqual(rowsOf(table), [
    session({ requests: 7, lastSeen: T + 2, created: T - 5, issued: T + 1, moves: 1, userA: 8 }),
  ]);
});

test('an end outdoes a session, also an older one, until its time is over (24)', () => {
  const table = makeTable();
  const end = session({ ended: true, lastSeen: T + 100 });
  table.merge(session({ created: T - 9 }), NOW);
  assert.equal(table.merge(end, NOW), 'replaced');
  assert.equal(table.size, 0);
  assert.equal(table.merge(session({ created: T - 9 }), NOW), 'kept');
  assert.equal(table.peek(KEY, NOW, new Row()), Lookup.ENDED);
  assert.equal(table.merge(session({ ended: true, lastSeen: T + 50 }), NOW), 'kept');
  assert.equal(table.merge(session({ ended: true, lastSeen: T + 200 }), NOW), 'replaced');
  assert.equal(table.peek(KEY, T + 199, new Row()), Lookup.ENDED);
  assert.equal(table.merge(session({}), T + 200), 'added');
  assert.equal(table.merge(session({ ended: true, lastSeen: T + 100 }), T + 201), 'kept');
  assert.equal(table.size, 1);
});

test('a session over its limits is none, on either side (23)', () => {
  const table = makeTable();
  table.setLimits(0, 100, 1000);
  assert.equal(table.merge(session({}), T + 100), 'kept');
  assert.equal(table.merge(session({ created: T - 901, lastSeen: T + 99 }), T + 99), 'kept');
  assert.equal(table.size, 0);
  table.merge(session({ created: T - 50 }), T + 99);
  assert.equal(table.merge(session({ lastSeen: T + 90, backend: 2 }), T + 120), 'added');
  assert.equal(rowsOf(table, T + 120)[0]!.backend, 2);
});

test('a full bucket gives up a row for one that is merged, as for one that is claimed (21)', () => {
  const table = makeTable(20);
  for (const [n, key] of collidingKeys(17).entries()) {
    const record = session({ lastSeen: T + n });
    record.key.copy(key);
    assert.equal(table.merge(record, NOW), 'added');
  }
  assert.equal(table.size, 16);
  assert.equal(table.evictions, 1);
  assert.equal(table.peek(collidingKeys(1)[0]!, NOW, new Row()), Lookup.NONE);
});

test('a row that names what the table does not have is refused', () => {
  const table = makeTable();
  assert.throws(() => table.merge(session({ backend: 4 }), NOW), /backend slot 4/);
  assert.throws(() => table.merge(session({ pool: 2 }), NOW), /pool 2/);
  assert.throws(() => table.merge(session({ generation: 65_536 }), NOW), /generation/);
  const none = session({});
  none.key.set(0, 0, 0, 0);
  assert.throws(() => table.merge(none, NOW), /all-zero key/);
  assert.equal(table.size, 0);
});

test('M1, 114: a session that stayed with its restarted backend is bound to the later life, whoever tells whom', () => {
  const lives = { backend: 1, firstStamp: 1, latestStamp: 3 };
  const before = session({ ...lives, generation: 2, lastSeen: T + 9 });
  const after = session({ ...lives, generation: 3 });
  const moved = session({ backend: 2, moves: 1, lastSeen: T + 1 });
  for (const order of [
    [before, after],
    [after, before],
  ]) {
    const table = makeTable();
    for (const record of order) table.merge(record, NOW);
    const [row] = rowsOf(table);
    assert.deepEqual([row?.backend, row?.generation, row?.lastSeen], [1, 3, T + 9]);
    // Where it was moved it has its state, whatever became of the backend that it left.
    assert.equal(table.merge(moved, NOW), 'replaced');
    assert.equal(table.merge(after, NOW), 'kept');
  }
});
