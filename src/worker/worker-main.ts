// Entry of a worker thread.
import { parentPort, workerData } from 'node:worker_threads';
import { StartError } from '../errors-start.ts';
import { startSockets } from '../sockets/start-sockets.ts';
import type { FromWorker, ToWorker, WorkerStart } from '../supervisor/messages.ts';
import { systemThreadId } from './system-thread-id.ts';
import { Worker } from './worker.ts';

const port = parentPort!;
const post = (message: FromWorker): void => port.postMessage(message);

try {
  const start = workerData as WorkerStart;
  const sockets = await startSockets(start.model.config.sockets);
  const worker = new Worker(start, { sockets, tid: systemThreadId() }, post);
  port.on('message', (message: ToWorker) => worker.receive(message));
  await worker.listen(start.ports);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  post({ kind: 'failed', message: error.message });
  port.close();
}
