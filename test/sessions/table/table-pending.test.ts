import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const KEY = randomKeys(1, 3)[0]!;

function claimed(): { table: SessionTable; row: Row } {
  const table = new SessionTable(SessionTable.allocate(100, 8, 1, 2, true), 1);
  const row = new Row();
  assert.equal(table.claim(KEY, 1, 2, 1, 3, T, row, false, true), true);
  return { table, row };
}

test('a claim that waits for the shared store says so until it is settled, whoever looks', () => {
  const { table, row } = claimed();
  assert.equal(row.pending, true);
  assert.equal(table.lookup(KEY, T + 1, 0, 0, row), Lookup.LIVE);
  assert.equal(row.pending, true);
  assert.equal(table.claim(KEY, 1, 4, 1, 3, T + 1, row, false, true), false);
  assert.deepEqual([row.pending, row.backend], [true, 2]);
  assert.equal(table.confirm(KEY, 2, T + 2), true);
  table.peek(KEY, T + 2, row);
  assert.deepEqual([row.pending, row.provisional], [true, false]);
  assert.equal(table.applyStoreAnswer(KEY, 2, 1, T, 0, T + 3, row), true);
  assert.deepEqual([row.pending, row.state, row.backend, row.requests], [false, Lookup.LIVE, 2, 3]);
});

test('what the store says replaces binding and dates, counts stay true, and no move is told of it', () => {
  const { table, row } = claimed();
  table.setIssued(KEY, T + 5);
  assert.equal(table.applyStoreAnswer(KEY, 5, 9, T - 1000, 3, T + 6, row), true);
  assert.deepEqual(
    [row.backend, row.generation, row.created, row.moves, row.movedFrom, row.provisional, row.issued, row.lastSeen],
    [5, 9, T - 1000, 3, -1, true, T + 5, T],
  );
  assert.deepEqual([table.sessions(2), table.sessions(5), table.size], [0, 1, 1]);
  assert.equal(table.applyStoreAnswer(KEY, 5, 9, T - 1000, 3, T + 6, row, true), true);
  assert.equal(row.provisional, false);
});

test('an answer from before a move that is known here does not undo it', () => {
  const { table, row } = claimed();
  table.confirm(KEY, 2, T);
  table.move(KEY, 2, 4, 1, 0, T, row);
  assert.equal(table.applyStoreAnswer(KEY, 2, 1, T, 0, T, row), true);
  assert.deepEqual([row.backend, row.moves, row.movedFrom, row.pending], [4, 1, 2, false]);
});

test('where there is no session there is nothing to settle', () => {
  const { table, row } = claimed();
  table.release(KEY, 2);
  assert.equal(table.applyStoreAnswer(KEY, 2, 1, T, 0, T, row), false);
  assert.deepEqual([row.state, row.backend], [Lookup.NONE, -1]);
  assert.equal(table.clearPending(KEY), false);
  table.end(KEY, T, T + 10);
  assert.equal(table.applyStoreAnswer(KEY, 2, 1, T, 0, T, row), false);
  assert.equal(row.state, Lookup.ENDED);
  assert.throws(() => table.applyStoreAnswer(KEY, 8, 1, T, 0, T, row), /backend slot 8/);
});

test('when the store cannot be asked the session goes on as ours', () => {
  const { table, row } = claimed();
  assert.equal(table.clearPending(KEY), true);
  table.peek(KEY, T, row);
  assert.deepEqual([row.pending, row.provisional, row.backend], [false, true, 2]);
});

test('a session that ends while it waits is ended, and one that begins anew waits no more', () => {
  const { table, row } = claimed();
  table.end(KEY, T, T + 10);
  assert.equal(table.claim(KEY, 1, 2, 1, 3, T, row, true), true);
  assert.equal(row.pending, false);
});
