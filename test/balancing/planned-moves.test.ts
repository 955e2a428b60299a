import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.ts';
import { failoverTarget } from '../../src/balancing/failover-target.ts';
import { type Leaving, planMoves, visitLeaving } from '../../src/balancing/planned-moves.ts';
import type { Key } from '../../src/keys/key.ts';
import { Row, SessionTable } from '../../src/sessions/table/table.ts';
import { testPool } from '../backends/test-pool.ts';
import { seeded, seededKey } from './seeded.ts';

const NOW = 1_000_000;
const now = () => NOW;

type Setup = ReturnType<typeof testPool>;

function sessionsOn(setup: Setup, counts: Readonly<Record<string, number>>, max = 10_000) {
  const table = new SessionTable(SessionTable.allocate(max, 16), 1);
  const random = seeded(7);
  const keys = new Map<string, Key[]>();
  for (const [id, count] of Object.entries(counts)) {
    const { slot, generation } = setup.pool.byId.get(id)!;
    const made = Array.from({ length: count }, () => seededKey(random));
    for (const key of made) {
      table.claim(key, 0, slot, generation, 0, NOW, new Row());
      table.confirm(key, slot, NOW);
    }
    keys.set(id, made);
  }
  return { table, keys };
}

function leaving({ pool }: Setup, id: string, change: Partial<Leaving> = {}): Leaving {
  const backend = pool.byId.get(id)!;
  return { backend, pool, home: backend, reason: 'drain', when: 'when-it-goes', ...change };
}

const FIVE = [{ id: 'a', replicas: ['b', 'c'] }, { id: 'b' }, { id: 'c' }, { id: 'd', replicas: ['a'] }, { id: 'e' }];

test('each session goes where the data path sends it when its backend dies (33)', async () => {
  const setup = testPool(FIVE);
  const { table, keys } = sessionsOn(setup, { a: 300, b: 20 });
  const plan = await planMoves(table, [leaving(setup, 'a')], setup.state, now);
  setup.state.setHealth(0, 'down');
  const expected = new Map<string, number>();
  for (const key of keys.get('a')!) {
    const { id } = failoverTarget(setup.pool, setup.pool.byId.get('a')!, key, setup.state, [], 0, [])!;
    expected.set(id, (expected.get(id) ?? 0) + 1);
  }
  assert.equal(plan.total, 300);
  assert.deepEqual(new Map(plan.moves.map(({ to, sessions }) => [to, sessions])), expected);
  assert.deepEqual([...expected.keys()].sort(), ['b', 'c']);
  assert.ok(plan.moves[0]!.sessions >= plan.moves[1]!.sessions, 'the largest number first');
  assert.deepEqual(
    plan.moves.map(({ pool, from, reason, when }) => [pool, from, reason, when]),
    Array(2).fill([setup.pool.name, 'a', 'drain', 'when-it-goes']),
  );
});

test('a plan names the first 100 sessions, touches none and changes nothing (20)', async () => {
  const setup = testPool(FIVE);
  const { table, keys } = sessionsOn(setup, { a: 150 });
  const plan = await planMoves(table, [leaving(setup, 'a')], setup.state, now);
  assert.equal(plan.sessions.length, 100);
  assert.equal(new Set(plan.sessions.map(({ key }) => key)).size, 100);
  for (const { from, to } of plan.sessions) assert.ok(from === 'a' && (to === 'b' || to === 'c'));
  const row = new Row();
  for (const key of keys.get('a')!) {
    table.peek(key, NOW, row);
    assert.deepEqual([row.backend, row.requests, row.moves, row.movedFrom], [0, 1, 0, -1]);
  }
});

test('backends that leave together take no sessions from each other', async () => {
  const setup = testPool(FIVE);
  const { table } = sessionsOn(setup, { a: 40, b: 40, d: 40, e: 40 });
  const plan = await planMoves(table, [leaving(setup, 'a'), leaving(setup, 'b')], setup.state, now);
  assert.equal(plan.total, 80);
  const targets = (from: string) =>
    plan.moves
      .filter((move) => move.from === from)
      .map(({ to }) => to)
      .sort();
  assert.deepEqual(targets('a'), ['c'], 'the replica that stays');
  assert.deepEqual(targets('b'), ['c', 'd', 'e']);
});

test('what has nowhere to go is said to be lost', async () => {
  const alone = testPool([{ id: 'a' }]);
  const lost = await planMoves(sessionsOn(alone, { a: 3 }).table, [leaving(alone, 'a')], alone.state, now);
  assert.deepEqual(
    lost.moves.map(({ to, sessions }) => [to, sessions]),
    [[null, 3]],
  );
  const setup = testPool(FIVE);
  const { table } = sessionsOn(setup, { a: 3 });
  const gone = await planMoves(table, [leaving(setup, 'a', { pool: null, home: null })], setup.state, now);
  assert.deepEqual([gone.total, gone.moves[0]!.to, gone.sessions[0]!.to], [3, null, null]);
});

test('a pool that rejects lost sessions lets them go to replicas alone (onLost)', async () => {
  const setup = testPool(FIVE, { failover: { to: ['replicas', 'any'], onLost: 'reject' } });
  const { table } = sessionsOn(setup, { a: 30, b: 30 });
  const plan = await planMoves(table, [leaving(setup, 'a'), leaving(setup, 'b')], setup.state, now);
  const targets = (from: string) => plan.moves.filter((move) => move.from === from).map(({ to }) => to);
  assert.deepEqual(targets('a'), ['c']);
  assert.deepEqual(targets('b'), [null], 'it has none');
});

test('rows of another life of the slot and sessions that have expired are not counted (12, 23)', async () => {
  const setup = testPool(FIVE);
  const { table, keys } = sessionsOn(setup, { a: 5 });
  table.claim(seededKey(seeded(9)), 0, 0, 7, 0, NOW, new Row());
  assert.equal((await planMoves(table, [leaving(setup, 'a')], setup.state, now)).total, 5);
  table.setLimits(0, 1000, 0);
  table.lookup(keys.get('a')![0]!, NOW + 900, 1000, 0, new Row());
  assert.equal((await planMoves(table, [leaving(setup, 'a')], setup.state, () => NOW + 1000)).total, 1);
});

test('a large table is gone through in portions, and others have their turn in between', async () => {
  const setup = testPool(FIVE);
  const { table } = sessionsOn(setup, { a: 500 }, 400_000);
  let turns = 0;
  let over = false;
  const turn = () => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  const seen = new Set<string>();
  let between = 0;
  await visitLeaving(table, [leaving(setup, 'a')], setup.state, now, (nth, entry, _key, target: Backend | null) => {
    assert.equal(nth, 0);
    assert.ok(target !== null);
    seen.add(entry.key);
    between = turns;
  });
  over = true;
  assert.equal(seen.size, 500);
  assert.ok(between > 0);
});
