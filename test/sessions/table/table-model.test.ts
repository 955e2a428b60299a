import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { format } from '../../../src/keys/public-id.ts';
import { MoveReason } from '../../../src/sessions/table/move-reasons.ts';
import { Lookup, Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { collidingKeys, randomKeys } from '../random-keys.ts';
import { type ModelRow, TableModel } from './table-model.ts';

const SLOTS = 4;
const LIMITS: [number, number][] = [
  [50, 200],
  [0, 100],
];
const START = 1_750_000_000_000;

/** Half of them in the same two buckets, which hold sixteen: nothing is evicted. */
const KEYS = [...randomKeys(8, 7), ...collidingKeys(8)];

const key = fc.nat(KEYS.length - 1);
const slot = fc.nat(SLOTS - 1);
const pool = fc.nat(LIMITS.length - 1);
const generation = fc.integer({ min: 1, max: 65535 });
const byte = fc.nat(6);
const span = fc.integer({ min: -20, max: 260 });
const step = fc.record({
  /** The clock may be set back. */
  passes: fc.oneof({ weight: 8, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.integer({ min: -100, max: 300 }) }),
  does: fc.oneof(
    fc.record({ op: fc.constant('lookup' as const), key, pool }),
    fc.record({ op: fc.constant('peek' as const), key }),
    fc.record({ op: fc.constant('claim' as const), key, pool, slot, generation, byte, over: fc.boolean() }),
    fc.record({ op: fc.constant('adopt' as const), key, pool, slot, generation, byte, age: span }),
    fc.record({ op: fc.constant('move' as const), key, slot, to: slot, generation, byte }),
    fc.record({ op: fc.constant('confirm' as const), key, slot }),
    fc.record({ op: fc.constant('setIssued' as const), key }),
    fc.record({ op: fc.constant('release' as const), key, slot }),
    fc.record({ op: fc.constant('end' as const), key, span }),
    fc.record({ op: fc.constant('remove' as const), key }),
    fc.record({ op: fc.constant('sweep' as const) }),
  ),
});
type Does = typeof step extends fc.Arbitrary<{ does: infer D }> ? D : never;

function newRow(
  does: { pool: number; slot: number; generation: number; byte: number },
  created: number,
  now: number,
  provisional: boolean,
): ModelRow {
  const { pool, slot, generation, byte } = does;
  return {
    pool,
    backend: slot,
    generation,
    by: byte,
    created,
    lastSeen: now,
    issuedAfter: -1,
    requests: 1,
    moves: 0,
    provisional,
    move: null,
  };
}

function fields(row: ModelRow): object {
  const { issuedAfter, move, ...rest } = row;
  return {
    ...rest,
    moves: Math.min(rest.moves, 255),
    issued: issuedAfter < 0 ? 0 : rest.created + issuedAfter,
    movedFrom: move === null || move.told ? -1 : move.from,
    movedReason: move?.reason ?? 0,
    userA: 0,
    userB: 0,
  };
}

/** Where the session may go back to: people are not shown that. */
function originOf({ move }: ModelRow): [origin: number, generation: number] {
  const returns = [MoveReason['backend-down'], MoveReason.maintenance, MoveReason.drain] as number[];
  return move === null || !returns.includes(move.reason)
    ? [-1, move === null ? 0 : move.generation & 7]
    : [move.from, move.generation & 7];
}

function rowFields(row: Row): object {
  const {
    pool,
    backend,
    generation,
    by,
    created,
    lastSeen,
    requests,
    moves,
    provisional,
    movedFrom,
    movedReason,
    issued,
    userA,
    userB,
  } = row;
  return {
    pool,
    backend,
    generation,
    by,
    created,
    lastSeen,
    requests,
    moves,
    provisional,
    movedFrom,
    movedReason,
    issued,
    userA,
    userB,
  };
}

/** Does the same to both and compares the answers. */
function apply(table: SessionTable, model: TableModel, does: Does, now: number): void {
  const row = new Row();
  if (does.op === 'sweep') {
    assert.equal(table.sweep(table.buckets, now), model.sweep(now));
    return;
  }
  const k = KEYS[does.key]!;
  const before = model.rows.get(does.key);
  const seenBefore = before?.lastSeen;
  const old = before === undefined ? null : fields(before);
  switch (does.op) {
    case 'lookup': {
      const found = table.lookup(k, now, ...LIMITS[does.pool]!, row);
      assert.equal(found, model.lookup(does.key, now, LIMITS[does.pool]!));
      assert.equal(row.state, found);
      if (found === Lookup.LIVE)
        assert.deepEqual(rowFields(row), { ...old, requests: model.rows.get(does.key)!.requests });
      else if (found === Lookup.NONE || found === Lookup.ENDED) assert.equal(row.backend, -1);
      else assert.deepEqual(rowFields(row), old);
      return;
    }
    case 'peek': {
      const found = table.peek(k, now, row);
      assert.equal(found, model.judge(does.key, now));
      if (old === null) assert.equal(row.backend, -1);
      else {
        assert.deepEqual(rowFields(row), old);
        assert.deepEqual([row.failbackTo, row.failbackGeneration], originOf(before!));
      }
      return;
    }
    case 'claim':
    case 'adopt': {
      const over = does.op === 'claim' && does.over;
      const created = does.op === 'adopt' ? now - does.age : now;
      const made =
        does.op === 'claim'
          ? table.claim(k, does.pool, does.slot, does.generation, does.byte, now, row, over)
          : table.adopt(k, does.pool, does.slot, does.generation, does.byte, created, now, row);
      const makes = newRow(does, Math.min(created, now), now, does.op === 'claim');
      assert.equal(made, model.make(does.key, makes, now, over));
      const after = model.rows.get(does.key);
      if (after === undefined) assert.deepEqual([row.state, row.backend], [Lookup.ENDED, -1]);
      else if (made) assert.deepEqual(rowFields(row), fields(after));
      else assert.deepEqual(rowFields(row), { ...old, requests: after.requests, lastSeen: seenBefore });
      return;
    }
    case 'move': {
      const moved = table.move(k, does.slot, does.to, does.generation, does.byte, now, row);
      assert.equal(moved, model.move(does.key, does.slot, does.to, does.generation, does.byte));
      const after = model.rows.get(does.key);
      if (after === undefined) assert.deepEqual([row.state, row.backend], [model.judge(does.key, now), -1]);
      else {
        assert.deepEqual(rowFields(row), fields(after));
        assert.deepEqual([row.failbackTo, row.failbackGeneration], originOf(after));
      }
      return;
    }
    case 'confirm':
      assert.equal(table.confirm(k, does.slot, now), model.confirm(does.key, does.slot, now));
      return;
    case 'setIssued':
      assert.equal(table.setIssued(k, now), model.setIssued(does.key, now));
      return;
    case 'release':
      assert.equal(table.release(k, does.slot), model.release(does.key, does.slot));
      return;
    case 'end':
      assert.equal(table.end(k, now, now + does.span), model.end(does.key, now, now + does.span));
      return;
    case 'remove':
      model.ends.delete(does.key);
      assert.equal(table.remove(k), model.forget(does.key));
      return;
  }
}

function compare(table: SessionTable, model: TableModel, now: number): void {
  const rows = [...model.rows.values()];
  assert.equal(table.size, rows.length);
  for (let n = 0; n < SLOTS; n++) assert.equal(table.sessions(n), rows.filter((row) => row.backend === n).length);
  for (let n = 0; n < LIMITS.length; n++)
    assert.equal(table.sessionsOfPool(n), rows.filter((row) => row.pool === n).length);
  const listed = table.list({ limit: 1000 }, now).sessions.map(({ key, ...rest }) => [key, rest]);
  const live = [...model.rows].filter(([n]) => model.judge(n, now) === Lookup.LIVE);
  assert.deepEqual(
    Object.fromEntries(listed),
    Object.fromEntries(live.map(([n, row]) => [format(KEYS[n]!), fields(row)])),
  );
}

test('whatever is done to it, the table holds what a plain Map would hold', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), fc.constantFrom(20, 1000), (steps, max) => {
      const table = new SessionTable(SessionTable.allocate(max, SLOTS, 1, LIMITS.length), 1);
      const model = new TableModel(LIMITS);
      LIMITS.forEach(([idle, lifetime], n) => {
        table.setLimits(n, idle, lifetime);
      });
      let now = START;
      for (const { passes, does } of steps) {
        now += passes;
        apply(table, model, does, now);
      }
      compare(table, model, now);
      assert.equal(table.evictions, 0);
    }),
    { numRuns: 400 },
  );
});
