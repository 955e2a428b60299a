import { parentPort, workerData } from 'node:worker_threads';
import type { SharedChainsMemory } from '../../../src/sessions/table/shared-chains.ts';
import { Row, SessionTable, type SessionTableMemory } from '../../../src/sessions/table/table.ts';
import { UserIndex, type WhenFull } from '../../../src/sessions/users/user-index.ts';
import { randomKeys } from '../random-keys.ts';

/** What a thread of user-index.test.ts is told. */
export interface UserThreadData {
  readonly memory: SessionTableMemory;
  readonly users: SharedChainsMemory;
  readonly owner: number;
  /** [0]: threads that are ready. */
  readonly flags: Int32Array;
  readonly keys: number;
  readonly max: number;
  readonly whenFull: WhenFull;
}

export interface UserThreadResult {
  readonly granted: number;
}

const T = 1_750_000_000_000;
const THREADS = 3;

function run({ memory, users, owner, flags, keys, max, whenFull }: UserThreadData): UserThreadResult {
  const table = new SessionTable(memory, owner);
  const index = new UserIndex(users, table, owner);
  const row = new Row();
  Atomics.add(flags, 0, 1);
  while (Atomics.load(flags, 0) < THREADS) Atomics.wait(flags, 0, Atomics.load(flags, 0), 1);
  let granted = 0;
  for (const [n, key] of randomKeys(keys, owner).entries()) {
    table.adopt(key, 0, 1, 1, 0, T + n, T + n, row);
    const verdict = index.claim(key, { a: 17, b: 1 }, max, whenFull, T + n);
    if (verdict.granted) granted++;
    for (const over of verdict.over) table.end(over.key, T + n, T + 100_000);
  }
  return { granted };
}

parentPort!.postMessage(run(workerData as UserThreadData));
