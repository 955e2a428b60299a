import { parentPort, workerData } from 'node:worker_threads';
import type { SharedStateMemory } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';

const { memory, worker, max, start, rounds } = workerData as {
  memory: SharedStateMemory;
  worker: number;
  max: number;
  start: Int32Array;
  rounds: number;
};
const state = new SharedState(memory, worker);
let most = 0;
let begun = 0;

// All begin together, so that they do compete.
Atomics.add(start, 0, 1);
Atomics.notify(start, 0);
for (let here = Atomics.load(start, 0); here < memory.workers; here = Atomics.load(start, 0))
  Atomics.wait(start, 0, here);

for (let round = 0; round < rounds; round++) {
  if (!state.tryBegin(1, max)) continue;
  begun++;
  most = Math.max(most, state.activeNow(1));
  state.end(1);
}
parentPort!.postMessage({ most, begun });
