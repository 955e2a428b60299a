import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedState } from '../../src/backends/shared-state.ts';
import { MemoryPressure } from '../../src/limits/memory-pressure.ts';
import { RateTable } from '../../src/limits/rate-table.ts';
import { ConnectionLimits } from '../../src/listeners/connection-limits.ts';
import { CounterSums } from '../../src/metrics/counter-sums.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { Lookup } from '../../src/sessions/table/lookup.ts';
import { Row } from '../../src/sessions/table/row.ts';
import { SessionTable } from '../../src/sessions/table/table.ts';
import { UserIndex } from '../../src/sessions/users/user-index.ts';
import { clearWorker } from '../../src/supervisor/clear-worker.ts';
import { DeadTurns } from '../../src/turns/dead-turns.ts';
import { allocateTurns } from '../../src/turns/turns-memory.ts';
import { lockingOperations, type Memories, NOW, SLOT, testKey } from './held-locks.ts';

const ENTRY = new URL('./held-locks.ts', import.meta.url);
/** What is not given back is waited for so long and longer, ms. */
const PATIENCE = 5_000;
const ROWS = 50;

function allocate(): Memories {
  return {
    table: SessionTable.allocate(1_000, 16, 4, 4),
    rates: RateTable.allocate(100),
    users: UserIndex.allocate(100),
    turns: allocateTurns(2, 100),
    state: SharedState.allocate(2, 16),
    limits: ConnectionLimits.allocate(2, 1, true, { connections: 100, waiting: 1 }),
  };
}

for (const kind of Object.keys(lockingOperations(allocate(), 1))) {
  test(`78: a worker that is ended while it holds a lock leaves it usable, and no row is lost: ${kind}`, async () => {
    const memories = allocate();
    const table = new SessionTable(memories.table, 1);
    const state = new SharedState(memories.state, -1);
    for (let n = 1; n <= ROWS; n++) table.claim(testKey(n), 0, SLOT, 1, 0, NOW, new Row());
    const worker = new Worker(ENTRY, { workerData: { memories, kind } });
    assert.deepEqual(await once(worker, 'message'), ['holds']);
    await worker.terminate();

    const users = new UserIndex(memories.users, table, 1);
    const limits = new ConnectionLimits(memories.limits, 1);
    assert.equal(limits.connections(0), 3);
    clearWorker(0, {
      table,
      rates: new RateTable(memories.rates, 1),
      users: { clearWorker: (owner) => void users.releaseLocks(owner) },
      turns: new DeadTurns(memories.turns),
      state,
      limits,
      pressure: new MemoryPressure(MemoryPressure.allocate(3)),
      sums: new CounterSums(Counters.allocate(2, 1, 16, 1)),
    });
    const began = performance.now();
    for (const operation of Object.values(lockingOperations(memories, 1))) operation();
    const took = performance.now() - began;
    assert.ok(took < PATIENCE / 2, `another worker waited ${Math.round(took)} ms`);

    const row = new Row();
    for (let n = 3; n <= ROWS; n++) assert.equal(table.peek(testKey(n), NOW, row), Lookup.LIVE, `row ${n}`);
    assert.equal(limits.connections(0), 0);
    assert.equal(limits.connectionsOf(0, '10.0.0.1'), 0);
    // That of the other worker's operation.
    assert.equal(state.active(SLOT), 1);
    assert.equal(new DeadTurns(memories.turns).ahead(testKey(1)), 1);
  });
}
