import { parentPort, workerData } from 'node:worker_threads';
import { RateTable, type RateTableMemory } from '../../src/limits/rate-table.ts';
import { randomKeys } from '../sessions/random-keys.ts';

/** What a thread of rate-table.test.ts is told: to take so often from the bucket of each key. */
export interface RateThreadData {
  readonly memory: RateTableMemory;
  readonly owner: number;
  readonly keys: number;
  readonly takes: number;
  readonly interval: number;
  readonly burst: number;
  readonly now: number;
  /** [0]: set to 1 to let all begin; [1]: turns of all so far. */
  readonly flags: Int32Array;
}

if (parentPort !== null) {
  const { memory, owner, keys: count, takes, interval, burst, now, flags } = workerData as RateThreadData;
  const table = new RateTable(memory, owner);
  const keys = randomKeys(count, 1);
  const passed = new Array<number>(count).fill(0);
  parentPort.postMessage('ready');
  Atomics.wait(flags, 0, 0);
  for (let turn = 0; turn < takes; turn++) {
    for (const [n, key] of keys.entries()) if (table.take(key, now, interval, burst) === 0) passed[n]!++;
    Atomics.add(flags, 1, 1);
  }
  parentPort.postMessage(passed);
}
