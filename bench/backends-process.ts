/**
 * Child process with backends, so that their CPU is neither the proxy's nor the generator's. Arguments: the body's size
 * in bytes, the delay of each answer in ms, then the ids. Tells its parent the ports, answers each message with the
 * number of requests that it has served so far, and ends when its parent does.
 */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { startSockets } from '../src/sockets/start-sockets.ts';
import type { Backend, BackendsReply } from './backends.ts';
import { createResponder, type Served } from './responder.ts';

const [bodyBytes, delay, ...ids] = process.argv.slice(2);
await startSockets('auto');
const served: Served = { requests: 0 };
const makeSession = () => randomBytes(16).toString('hex');

const listening = ids.map(
  (id) =>
    new Promise<Backend>((resolve, reject) => {
      const server = createResponder({ id, bodyBytes: Number(bodyBytes), delay: Number(delay), served, makeSession });
      server.once('error', reject);
      server.listen(0, '127.0.0.1', 1024, () => resolve({ id, port: (server.address() as AddressInfo).port }));
    }),
);

process.once('disconnect', () => process.exit(0));
process.on('message', () => tell({ served: served.requests }));
tell({ backends: await Promise.all(listening) });

function tell(reply: BackendsReply): void {
  process.send?.(reply);
}
