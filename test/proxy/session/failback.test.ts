import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failbackTarget } from '../../../src/proxy/session/failback.ts';
import { Row } from '../../../src/sessions/table/row.ts';
import { testPool, type WrittenBackend } from '../../backends/test-pool.ts';

const NOW = 1_750_000_000_000;
const NEVER = Number.POSITIVE_INFINITY;

/** A session that went from a to b, and what it is told. */
function moved(failback: string, first: Partial<WrittenBackend> = {}) {
  const { pool, state } = testPool([{ ...first, id: 'a' }, { id: 'b' }], { failover: { failback } });
  const [a, b] = [pool.byId.get('a')!, pool.byId.get('b')!];
  const row = new Row();
  row.backend = b.slot;
  row.failbackTo = a.slot;
  row.failbackGeneration = a.generation & 7;
  row.lastSeen = NOW - 1_000;
  const target = (failedAgo = NEVER): string | undefined => failbackTarget(row, pool, state, NOW, failedAgo)?.id;
  return { pool, state, row, a, b, target };
}

test('never is never, immediate is at once', () => {
  assert.equal(moved('never').target(), undefined);
  assert.equal(moved('immediate').target(), 'a');
});

test('when-idle waits until the session has had no request for 30 s, by the wall clock', () => {
  const { row, target } = moved('when-idle');
  assert.equal(target(), undefined);
  row.lastSeen = NOW - 29_999;
  assert.equal(target(), undefined);
  row.lastSeen = NOW - 30_000;
  assert.equal(target(), 'a');
  row.lastSeen = NOW + 60_000;
  assert.equal(target(), undefined, 'the clock was set back');
});

test('it goes back only to a backend that takes sessions again', () => {
  const { state, a, target } = moved('immediate');
  state.setHealth(a.slot, 'down');
  assert.equal(target(), undefined);
  state.setHealth(a.slot, 'up');
  assert.equal(target(), 'a');
  for (const admin of ['drain', 'maintenance'] as const) {
    state.setAdminState(a.slot, admin);
    assert.equal(target(), undefined, admin);
  }
  state.setAdminState(a.slot, 'ready');
  state.setEjected(a.slot, true);
  assert.equal(target(), undefined);
  state.setEjected(a.slot, false);
  state.setWeight(a.slot, 0);
  assert.equal(target(), undefined, 'weight 0');
  state.setWeight(a.slot, 1);
  state.setSlowStart(a.slot, 0.1);
  assert.equal(target(), 'a', 'slow start');
});

test('a place that is full, gone or given to another backend is none to go back to (12)', () => {
  const full = moved('immediate', { maxRequests: 1 });
  assert.equal(full.target(), 'a');
  full.state.begin(full.a.slot);
  assert.equal(full.target(), undefined);
  const other = moved('immediate');
  other.row.failbackGeneration ^= 1;
  assert.equal(other.target(), undefined);
  const gone = moved('immediate');
  gone.row.failbackTo = 200;
  assert.equal(gone.target(), undefined);
  const none = moved('immediate');
  none.row.failbackTo = -1;
  assert.equal(none.target(), undefined);
});

test('a backend that has just failed is given some time, unless it was seen to recover since', () => {
  const { state, a, target } = moved('immediate');
  const change = state.layout.lastChange;
  change[a.slot] = Date.now() - 60_000;
  assert.equal(target(100), undefined);
  assert.equal(target(10_000), 'a');
  change[a.slot] = Date.now();
  assert.equal(target(2_000), 'a');
});
