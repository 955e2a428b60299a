import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { failoverTarget } from '../../src/balancing/failover-target.ts';
import { testPool } from '../backends/test-pool.ts';
import { seeded, seededKey } from './seeded.ts';

type Setup = ReturnType<typeof testPool>;

/** The backends that 60 sessions of `from` go to, each once, in order of name. */
function targets({ pool, state }: Setup, from: string | null, tried: number[] = []): string {
  const random = seeded(1);
  const home = from === null ? null : pool.byId.get(from)!;
  const found = new Set<string>();
  for (let i = 0; i < 60; i++) {
    found.add(failoverTarget(pool, home, seededKey(random), state, tried, tried.length, [])?.id ?? 'none');
  }
  return [...found].sort().join(' ');
}

const SIX = [
  { id: 'a', replicas: ['b', 'c'] },
  { id: 'b' },
  { id: 'c' },
  { id: 'd' },
  { id: 'e' },
  { id: 'spare', backup: true },
];

test('sessions of a dead backend go to its replicas, which share them (behaviour 33)', () => {
  const setup = testPool(SIX);
  setup.state.setHealth(0, 'down');
  assert.equal(targets(setup, 'a'), 'b c');
  setup.state.setHealth(1, 'down');
  assert.equal(targets(setup, 'a'), 'c');
});

test('when no replica can take them they go to any open backend, or nowhere when the pool says replicas alone', () => {
  for (const [to, expected] of [
    [['replicas', 'any'], 'd e'],
    [['replicas'], 'none'],
  ] as const) {
    const setup = testPool(SIX, { failover: { to } });
    for (const slot of [0, 1, 2]) setup.state.setHealth(slot, 'down');
    assert.equal(targets(setup, 'a'), expected);
  }
});

test('the order of failover.to is followed', () => {
  const setup = testPool(SIX, { failover: { to: ['any', 'replicas'] } });
  setup.state.setHealth(0, 'down');
  assert.equal(targets(setup, 'a'), 'b c d e');
  for (const slot of [1, 2, 3, 4, 5]) setup.state.setAdminState(slot, 'drain');
  assert.equal(targets(setup, 'a'), 'b c');
});

test('replicas that were tried are left out (behaviour 31)', () => {
  const setup = testPool(SIX);
  assert.equal(targets(setup, 'a', [0, 1]), 'c');
  assert.equal(targets(setup, 'a', [0, 1, 2]), 'd e');
  assert.equal(targets(setup, 'a', [0, 1, 2, 3, 4]), 'spare');
  assert.equal(targets(setup, 'a', [0, 1, 2, 3, 4, 5]), 'none');
});

test('an open replica comes first, then a standby of weight 0, then a draining one, and only then a stranger to the session', () => {
  const setup = testPool([
    { id: 'a', replicas: ['leaving', 'standby', 'open'] },
    { id: 'open' },
    { id: 'standby', weight: 0 },
    { id: 'leaving', state: 'drain' },
    { id: 'stranger' },
  ]);
  const { state } = setup;
  state.setHealth(0, 'down');
  for (const [slot, id] of ['open', 'standby', 'leaving', 'stranger'].entries()) {
    assert.equal(targets(setup, 'a'), id);
    state.setHealth(slot + 1, 'down');
  }
  assert.equal(targets(setup, 'a'), 'none');
});

test('a backend in maintenance takes nothing over, and its own sessions leave it (behaviour 39)', () => {
  const setup = testPool(SIX);
  setup.state.setAdminState(0, 'maintenance');
  setup.state.setAdminState(1, 'maintenance');
  assert.equal(targets(setup, 'a'), 'c');
});

test('a session whose backend is not in the pool any more goes to any open one', () => {
  assert.equal(targets(testPool(SIX), null), 'a b c d e');
  assert.equal(targets(testPool(SIX, { failover: { to: ['replicas'] } }), null), 'none');
});

test('a replica that is named by an earlier configuration is looked up in this one (behaviour 12)', () => {
  const { pool, state } = testPool(SIX, { failover: { to: ['replicas'] } });
  const [a, b, c] = pool.backends;
  const key = seededKey(seeded(1));
  const target = (replicas: Backend[]) => failoverTarget(pool, { ...a!, replicas }, key, state, [], 0, []);
  assert.equal(target([{ ...c! }]), c);
  assert.equal(target([{ ...b!, generation: 9 }]), null);
  assert.equal(target([{ ...b!, slot: 99 }]), null);
});

test('panic mode alone sends sessions to backends that are down, and then to their own (behaviour 36)', () => {
  for (const [whenAllDown, own, strange, tried] of [
    ['reject', 'none', 'none', 'none'],
    ['try', 'a', 'a b c d e spare', 'b c d e spare'],
  ] as const) {
    const setup = testPool(SIX, { health: { whenAllDown } });
    for (let slot = 0; slot < 6; slot++) setup.state.setHealth(slot, 'down');
    assert.equal(targets(setup, 'a'), own);
    assert.equal(targets(setup, null), strange);
    assert.equal(targets(setup, 'a', [0]), tried);
  }
});

test('every worker picks the same target, also while one backend starts slowly (behaviour 33)', () => {
  const setup = testPool(SIX);
  const { pool, state, memory } = setup;
  const other = new SharedState(memory, 1);
  const random = seeded(5);
  const [a] = pool.backends;
  for (let i = 0; i < 100; i++) {
    const key = seededKey(random);
    const before = failoverTarget(pool, a!, key, state, [0], 1, []);
    state.setSlowStart(1, 0.1);
    assert.equal(failoverTarget(pool, a!, key, other, [0], 1, []), before);
    state.setSlowStart(1, 1);
  }
});
