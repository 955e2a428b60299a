import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Key } from '../../../src/keys/key.ts';
import { ReadOnlyTable } from '../../../src/proxy/explain/read-only-table.ts';
import type { Trail } from '../../../src/proxy/explain/trail.ts';
import { BOUND_TO, bindingWord } from '../../../src/sessions/table/binding.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';

const [MINE, THEIRS] = [bindingWord(0x70, BOUND_TO.ip), bindingWord(0x80, BOUND_TO.ip)];
const IDLE = 1_000;
const LIFETIME = 10_000;
const NOW = 1_000_000;

function start() {
  const table = new SessionTable(SessionTable.allocate(100, 4), 1);
  table.setLimits(0, IDLE, LIFETIME);
  const key = new Key();
  key.set(1, 2, 3, 4);
  table.claim(key, 0, 1, 0, 0, NOW, new Row());
  table.confirm(key, 1, NOW);
  const trail: Trail = [];
  const row = new Row();
  const seen = () => {
    const found = new Row();
    table.peek(key, NOW, found);
    return found;
  };
  return { table, key, row, trail, seen, view: new ReadOnlyTable(table, trail) };
}

test('a look-up finds what a request would find, and touches nothing (20)', () => {
  const { view, key, row, seen, trail } = start();
  const before = seen();
  assert.equal(view.lookup(key, NOW + 500, IDLE, LIFETIME, row), Lookup.LIVE);
  assert.deepEqual([row.requests, row.lastSeen], [2, NOW]);
  assert.deepEqual(seen(), before);
  assert.equal(trail.length, 1);
});

test('an expired session is gone for the view, and stays where it is (23)', () => {
  const { view, table, key, row } = start();
  assert.equal(view.lookup(key, NOW + IDLE, IDLE, LIFETIME, row), Lookup.IDLE_EXPIRED);
  assert.equal(view.peek(key, NOW + IDLE, row), Lookup.NONE);
  assert.equal(table.size, 1);
});

test('one that is bound to another client is foreign; an ended one is refused', () => {
  const { view, table, key, row } = start();
  table.setBinding(key, MINE);
  assert.equal(view.lookup(key, NOW, IDLE, LIFETIME, row, THEIRS), Lookup.FOREIGN);
  assert.equal(view.lookup(key, NOW, IDLE, LIFETIME, row, MINE), Lookup.LIVE);
  table.end(key, NOW, NOW + LIFETIME);
  assert.equal(view.lookup(key, NOW, IDLE, LIFETIME, row), Lookup.ENDED);
});

test('what a request would change is seen by the next look, and by nobody else', () => {
  const { view, key, row, seen } = start();
  const before = seen();
  assert.equal(view.applyStoreAnswer(key, 2, 0, NOW, 1, NOW, row), true);
  assert.equal(view.setIssued(key, NOW), true);
  assert.equal(view.peek(key, NOW, row), Lookup.LIVE);
  assert.deepEqual([row.backend, row.moves, row.issued], [2, 1, NOW]);
  assert.deepEqual(seen(), before);
});
