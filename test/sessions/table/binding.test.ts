import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUND_TO, bindingWord, isBoundElsewhere } from '../../../src/sessions/table/binding.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { randomKeys } from '../random-keys.ts';

const T = 1_750_000_000_000;
const [mine, theirs] = [bindingWord(0x1234_5678, BOUND_TO.ip), bindingWord(-0x1234_5678, BOUND_TO.ip)];
const sinceThen = bindingWord(0x1234_5678, BOUND_TO.ip | BOUND_TO.tls);

test('a word is never 0, and tells clients apart only where both are about the same things', () => {
  assert.notEqual(bindingWord(0, BOUND_TO.ip), 0);
  assert.equal(isBoundElsewhere(mine, theirs), true);
  assert.equal(isBoundElsewhere(mine, mine), false);
  assert.equal(isBoundElsewhere(0, theirs), false, 'bound to nothing');
  assert.equal(isBoundElsewhere(mine, sinceThen), false, 'bindTo was changed');
});

test('a session that is bound to another client is found foreign and not touched', () => {
  const table = new SessionTable(SessionTable.allocate(100, 4, 1, 2), 1);
  const key = randomKeys(1, 7)[0]!;
  const row = new Row();
  table.claim(key, 0, 1, 1, 0, T, row, false, false, mine);
  assert.equal(table.lookup(key, T + 10, 0, 0, row, theirs), Lookup.FOREIGN);
  table.peek(key, T + 10, row);
  assert.deepEqual([row.lastSeen, row.requests], [T, 1]);
  assert.equal(table.lookup(key, T + 20, 0, 0, row, mine), Lookup.LIVE);
  assert.equal(table.lookup(key, T + 30, 0, 0, row, sinceThen), Lookup.LIVE);
  assert.equal(table.lookup(key, T + 40, 0, 0, row), Lookup.LIVE, 'whoever it is');
});
