import { parentPort, workerData } from 'node:worker_threads';
import type { Backend } from '../../src/backends/backend.ts';
import { BackendQueue } from '../../src/backends/queue.ts';
import type { SharedStateMemory } from '../../src/backends/shared-layout.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { TestWaiter } from './test-waiter.ts';

const { memory, worker, backend, mode, rounds } = workerData as {
  memory: SharedStateMemory;
  worker: number;
  backend: Backend;
  /** `hold`: the requests that get a place never end. */
  mode: 'work' | 'hold';
  rounds: number;
};
const state = new SharedState(memory, worker);
const queue = new BackendQueue(state);
let sent = 0;
let ended = 0;
let most = 0;

// The wake-ups that are waited for do not keep the thread alive.
const alive = setInterval(() => {}, 1000);

function send(): void {
  if (sent++ >= rounds) return;
  const waiter = new TestWaiter('', []);
  waiter.onPlace = inFlight;
  if (queue.enter(backend, waiter)) inFlight();
}

function inFlight(): void {
  if (mode === 'hold') return;
  most = Math.max(most, state.activeNow(backend.slot));
  setImmediate(() => {
    queue.release(backend);
    ended++;
    if (ended === rounds) {
      clearInterval(alive);
      parentPort!.postMessage({ most });
    } else send();
  });
}

for (let i = 0; i < 20; i++) send();
if (mode === 'hold') parentPort!.postMessage('holding');
