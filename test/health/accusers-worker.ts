import { parentPort, workerData } from 'node:worker_threads';
import { Accusers } from '../../src/health/accusers.ts';

const { cells, gate, threads } = workerData as { cells: BigInt64Array; gate: Int32Array; threads: number };
const accusers = new Accusers(cells);
let told = 0;
for (let who = 1; who <= 2_000; who++) {
  // All threads come to the same name at about the same time.
  if (who % 50 === 1) {
    const turn = Atomics.load(gate, 1);
    if (Atomics.add(gate, 0, 1) === threads - 1) {
      Atomics.store(gate, 0, 0);
      Atomics.add(gate, 1, 1);
      Atomics.notify(gate, 1);
    } else while (Atomics.load(gate, 1) === turn) Atomics.wait(gate, 1, turn);
  }
  if (accusers.note(3, who, 1_700_000_000_000, 10_000)) told++;
}
parentPort!.postMessage(told);
