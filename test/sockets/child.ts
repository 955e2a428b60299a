// What is tried in a process of its own, by test/sockets/system-calls.test.ts: node child.ts SCENARIO. Prints one line of JSON.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import type { SocketEvents } from '../../src/sockets/byte-socket.ts';
import { DirectSocket } from '../../src/sockets/direct-socket.ts';
import { readiness } from '../../src/sockets/readiness.ts';
import { systemCalls } from '../../src/sockets/system-calls.ts';

const server = createServer({ allowHalfOpen: true });
server.listen(0, '127.0.0.1');
await once(server, 'listening');

async function pair(events: Partial<SocketEvents>): Promise<{ direct: DirectSocket; peer: Socket }> {
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const none: SocketEvents = { onBytes: () => true, onEnd: () => {}, onDrain: () => {}, onClose: () => {} };
  const direct = DirectSocket.over(accepted, { ...none, ...events })!;
  direct.resume();
  return { direct, peer };
}

async function pairsOf(
  count: number,
  eventsOf: (n: number) => Partial<SocketEvents>,
): Promise<Awaited<ReturnType<typeof pair>>[]> {
  const pairs = [];
  for (let n = 0; n < count; n++) pairs.push(await pair(eventsOf(n)));
  return pairs;
}

const say = (what: unknown): void => console.log(JSON.stringify(what));

/** Whether the system is called, and bytes come and go. */
async function echo(): Promise<void> {
  const { direct, peer } = await pair({
    onBytes(size, bytes) {
      direct.write(bytes.latin1Slice(0, size).toUpperCase());
      return true;
    },
  });
  peer.write('bytes');
  const [answer] = (await once(peer, 'data')) as [Buffer];
  say({ calls: systemCalls !== null, readiness: readiness !== null, answer: answer.toString() });
  process.exit();
}

/** A connection whose owner has a defect does not take the events of others with it. */
async function defect(): Promise<void> {
  const errors: string[] = [];
  process.on('uncaughtException', ({ message }) => errors.push(message));
  const told = new Set<number>();
  const pairs = await pairsOf(20, (n) => ({
    onBytes() {
      told.add(n);
      if (n % 3 === 0) throw new Error(`defect ${n}`);
      return true;
    },
  }));
  for (const { peer } of pairs) peer.write('x');
  while (told.size < pairs.length) await new Promise(setImmediate);
  say({ told: told.size, errors: errors.length });
  process.exit();
}

/** It ends by itself when nothing is open any more, and not before. */
async function end(): Promise<void> {
  const { direct, peer } = await pair({ onEnd: () => say({ heard: 'end' }) });
  server.close();
  peer.unref();
  setTimeout(() => {
    peer.end();
    peer.resume();
    direct.end();
  }, 50).unref();
}

/** Threads that are ended in the midst of it leave the process alone. */
async function terminate(): Promise<void> {
  if (!isMainThread) {
    const pairs = await pairsOf(10, () => ({}));
    for (const { peer } of pairs) peer.write('x');
    setInterval(() => {
      for (const { peer, direct } of pairs) {
        peer.write('x');
        direct.write('y');
      }
    }, 1);
    parentPort!.postMessage('open');
    return;
  }
  for (let n = 0; n < 3; n++) {
    const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
    await once(worker, 'message');
    await worker.terminate();
  }
  const own = await pair({});
  own.peer.end('still');
  say({ ended: 3 });
  process.exit();
}

await { echo, defect, end, terminate }[process.argv[2]!]!();
