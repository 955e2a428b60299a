// Preloaded into a limpet process by NODE_OPTIONS=--import: SIGUSR2 makes one of its worker threads throw an error that
// nobody catches.
import { BroadcastChannel, isMainThread, threadName } from 'node:worker_threads';

const channel = new BroadcastChannel('crash');
channel.unref();
if (isMainThread) process.on('SIGUSR2', () => channel.postMessage('limpet worker 0'));
else {
  channel.onmessage = (event) => {
    if ((event as { data: unknown }).data === threadName) {
      setImmediate(() => {
        throw new Error('thrown by a test');
      });
    }
  };
}
