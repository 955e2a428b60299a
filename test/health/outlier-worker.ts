import { parentPort, workerData } from 'node:worker_threads';
import { buildPools } from '../../src/backends/build-pools.ts';
import type { SharedStateMemory } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import type { SlotAssignment } from '../../src/backends/slots.ts';
import type { Config } from '../../src/config/schema.ts';
import { Evidence } from '../../src/health/evidence.ts';
import { Outlier } from '../../src/health/outlier.ts';

const { memory, config, slots, worker, gate } = workerData as {
  memory: SharedStateMemory;
  config: Config;
  slots: ReadonlyMap<string, SlotAssignment>;
  worker: number;
  gate: Int32Array;
};
const state = new SharedState(memory, worker);
const [pool] = buildPools(config, slots);
const outlier = new Outlier(pool!, state);
const NOBODY = { session: 0, began: 0, address: 0 };
const threads = memory.workers;
let most = 0;

/** Waits until all threads are here. */
function meet(): void {
  const turn = Atomics.load(gate, 1);
  if (Atomics.add(gate, 0, 1) === threads - 1) {
    Atomics.store(gate, 0, 0);
    Atomics.add(gate, 1, 1);
    Atomics.notify(gate, 1);
  } else while (Atomics.load(gate, 1) === turn) Atomics.wait(gate, 1, turn);
}

for (let round = 0; round < 300; round++) {
  meet();
  if (worker === 0) for (const { slot } of pool!.backends) state.setEjected(slot, false);
  meet();
  // Each begins somewhere else, so that they meet at different backends.
  for (let i = 0; i < 6; i++)
    outlier.record(pool!.backends[(i + 2 * worker) % 6]!, Evidence.connect, NOBODY, 1_700_000_000_000);
  meet();
  most = Math.max(most, pool!.backends.filter(({ slot }) => state.ejected(slot)).length);
}
parentPort!.postMessage(most);
