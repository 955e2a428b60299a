// Preloaded into a limpet process by NODE_OPTIONS=--import: SIGUSR2 makes its first worker spin, for as long as SPIN_MS says (absent: for ever).
import { BroadcastChannel, isMainThread, threadName } from 'node:worker_threads';

const channel = new BroadcastChannel('spin');
channel.unref();
if (isMainThread) process.on('SIGUSR2', () => channel.postMessage('limpet worker 0'));
else {
  channel.onmessage = (event) => {
    if ((event as { data: unknown }).data !== threadName) return;
    const until = performance.now() + Number(process.env.SPIN_MS ?? Number.POSITIVE_INFINITY);
    while (performance.now() < until);
  };
}
