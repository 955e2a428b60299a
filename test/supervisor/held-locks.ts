// A worker that takes one kind of lock of shared memory and spins with it, and the operations that take them: see
// clear-worker.test.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { BootIds } from '../../src/backends/boot-ids.ts';
import type { SharedStateMemory } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { Key } from '../../src/keys/key.ts';
import { RateTable, type RateTableMemory } from '../../src/limits/rate-table.ts';
import { ConnectionLimits, type ConnectionLimitsMemory } from '../../src/listeners/connection-limits.ts';
import { Row } from '../../src/sessions/table/row.ts';
import type { SharedChainsMemory } from '../../src/sessions/table/shared-chains.ts';
import { SessionTable, type SessionTableMemory } from '../../src/sessions/table/table.ts';
import { UserIndex } from '../../src/sessions/users/user-index.ts';
import { SessionTurns } from '../../src/turns/session-turns.ts';
import { Turn } from '../../src/turns/turn.ts';
import type { TurnsMemory } from '../../src/turns/turns-memory.ts';

export const NOW = 1_800_000_000_000;
export const SLOT = 3;

export interface Memories {
  readonly table: SessionTableMemory;
  readonly rates: RateTableMemory;
  readonly users: SharedChainsMemory;
  readonly turns: TurnsMemory;
  readonly state: SharedStateMemory;
  readonly limits: ConnectionLimitsMemory;
}

export function testKey(n: number): Key {
  const key = new Key();
  // Mixed as hashes are: rows of alike ones would push each other out.
  const word = (nth: number): number => Math.imul(Math.imul(n * 4 + nth, 0x9e3779b1) ^ 0x85ebca6b, 0xc2b2ae35);
  key.set(word(0), word(1), word(2), word(3));
  return key;
}

/** What a worker does under each kind of lock, by the kind's name. The key is the same for all. */
export function lockingOperations(memories: Memories, worker: number): Record<string, () => void> {
  const owner = worker + 2;
  const table = new SessionTable(memories.table, owner);
  const rates = new RateTable(memories.rates, owner);
  const users = new UserIndex(memories.users, table, owner);
  const turns = new SessionTurns(memories.turns, worker);
  const state = new SharedState(memories.state, worker);
  const key = testKey(1);
  return {
    row: () => table.touch(key, NOW),
    'new row': () => table.claim(testKey(100 + owner), 0, SLOT, 1, 0, NOW, new Row()),
    'end of a session': () => table.end(testKey(2), NOW, NOW + 60_000),
    'rate limit': () => rates.take(key, NOW, 1_000, 100),
    user: () => users.claim(key, { a: 5, b: 6 }, 10, 'end-oldest', NOW),
    turn: () => turns.take(new Turn({ onTurn() {}, onTurnTimeout() {} }), key, 0, 10, Number.POSITIVE_INFINITY),
    place: () => state.tryBegin(SLOT, 10),
    'boot id': () => new BootIds(state.layout, state.row).see(SLOT, 77n, 1, 1, 0, (life) => life),
    ejection: () => {
      while (Atomics.compareExchange(state.layout.ejectionLock, 0, 0, state.row + 1) !== 0);
      Atomics.store(state.layout.ejectionLock, 0, 0);
    },
  };
}

const held = workerData as { readonly memories: Memories; readonly kind: string } | null;
if (parentPort !== null && held?.kind !== undefined) {
  const operation = lockingOperations(held.memories, 0)[held.kind]!;
  const limits = new ConnectionLimits(held.memories.limits, 0);
  for (let n = 0; n < 3; n++) limits.opened(0, '10.0.0.1');
  new SharedState(held.memories.state, 0).begin(SLOT);
  const { exchange, store } = Atomics;
  const spin = (): never => {
    parentPort!.postMessage('holds');
    for (;;);
  };
  // All locks are given back in one of these two ways.
  Atomics.exchange = ((cells: Int32Array, at: number, value: number) =>
    value === 0 ? spin() : exchange(cells, at, value)) as typeof Atomics.exchange;
  Atomics.store = ((cells: Int32Array, at: number, value: number) =>
    value === 0 && held.kind !== 'turn' ? spin() : store(cells, at, value)) as typeof Atomics.store;
  operation();
}
