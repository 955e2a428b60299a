// What is tried in a process of its own, by test/sockets/system-calls.test.ts: node child.ts SCENARIO. Prints one line of JSON.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { readiness } from '../../src/sockets/readiness.ts';
import { systemCalls } from '../../src/sockets/system-calls.ts';
import { DirectPairs } from '../support/direct-pairs.ts';

const pairs = await DirectPairs.listen();

const say = (what: unknown): void => console.log(JSON.stringify(what));

/** Whether the system is called, and bytes come and go. */
async function echo(): Promise<void> {
  const { direct, peer } = await pairs.open({
    onBytes(size, bytes) {
      direct.write(bytes.latin1Slice(0, size).toUpperCase());
      return true;
    },
  });
  direct.resume();
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
  const open = await pairs.openMany(20, (n) => ({
    onBytes() {
      told.add(n);
      if (n % 3 === 0) throw new Error(`defect ${n}`);
      return true;
    },
  }));
  for (const { direct } of open) direct.resume();
  for (const { peer } of open) peer.write('x');
  while (told.size < open.length) await new Promise(setImmediate);
  say({ told: told.size, errors: errors.length });
  process.exit();
}

/** It ends by itself when nothing is open any more, and not before. */
async function end(): Promise<void> {
  const { direct, peer } = await pairs.open({ onEnd: () => say({ heard: 'end' }) });
  direct.resume();
  pairs.close();
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
    const open = await pairs.openMany(10, () => ({}));
    for (const { direct } of open) direct.resume();
    setInterval(() => {
      for (const { peer, direct } of open) {
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
  const own = await pairs.open({});
  own.direct.resume();
  own.peer.end('still');
  say({ ended: 3 });
  process.exit();
}

/** What ends connections to backends is told before what came to others, however it lies in one turn. */
async function first(): Promise<void> {
  const told: string[] = [];
  const open = await pairs.openMany(40, (n) => ({
    onBytes() {
      told.push(n % 2 === 0 ? 'client' : 'bytes of a backend');
      return true;
    },
    onEnd() {
      told.push('backend');
    },
  }));
  for (const [n, { direct }] of open.entries()) {
    direct.first = n % 2 === 1;
    direct.resume();
  }
  await new Promise(setImmediate);
  // All of it has come when the next turn begins.
  for (const [n, { peer }] of open.entries()) {
    if (n % 2 === 0) peer.write('x');
    else peer.end();
  }
  while (told.length < open.length) await new Promise(setImmediate);
  say({ calls: systemCalls !== null, told });
  process.exit();
}

await { echo, defect, end, terminate, first }[process.argv[2]!]!();
