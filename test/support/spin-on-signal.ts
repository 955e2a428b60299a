// Preloaded into a limpet process by NODE_OPTIONS=--import: SIGUSR2 makes its first worker stand still, for as long as
// SPIN_MS says (absent: for ever). With SPIN_AFTER it does so when it has sent the supervisor the first message of that
// kind, with SPIN_HOLDING when it is about to give back a lock of shared memory that this file of src took.
import { BroadcastChannel, isMainThread, parentPort, threadName } from 'node:worker_threads';

const FIRST = 'limpet worker 0';

/**
 * Blocks the thread as a loop would, and takes no CPU from the tests beside this one, unless SPIN_HOT is there: then it
 * is a loop.
 */
function spin(): void {
  while (process.env.SPIN_HOT !== undefined);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(process.env.SPIN_MS ?? Number.POSITIVE_INFINITY));
}

const channel = new BroadcastChannel('spin');
channel.unref();
if (isMainThread) process.on('SIGUSR2', () => channel.postMessage(FIRST));
else {
  channel.onmessage = (event) => {
    if ((event as { data: unknown }).data !== threadName) return;
    const { SPIN_HOLDING } = process.env;
    if (SPIN_HOLDING === undefined) return spin();
    // All locks of StripedLocks are given back by this.
    const { exchange } = Atomics;
    Atomics.exchange = ((cells: Int32Array, at: number, value: number) => {
      if (value === 0 && new Error().stack!.includes(SPIN_HOLDING)) spin();
      return exchange(cells, at, value);
    }) as typeof Atomics.exchange;
  };
}
const { SPIN_AFTER } = process.env;
if (SPIN_AFTER !== undefined && threadName === FIRST && parentPort !== null) {
  const post = parentPort.postMessage.bind(parentPort);
  parentPort.postMessage = (message: { kind?: string }) => {
    post(message);
    if (message.kind === SPIN_AFTER) spin();
  };
}
