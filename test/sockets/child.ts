// What is tried in a process of its own, by test/sockets/system-calls.test.ts: node child.ts SCENARIO. Prints one line
// of JSON.
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { threadSockets } from '../../src/sockets/thread-sockets.ts';
import { DirectPairs } from '../support/direct-pairs.ts';

/** Handles of Node that an epoll was put into. */
const handles: { recvStop(): number }[] = [];
interface UdpBinding {
  readonly UDP: { prototype: { recvStart(): number } };
}
const { prototype } = (process as unknown as { binding(name: string): UdpBinding }).binding('udp_wrap').UDP;
const { recvStart } = prototype;
prototype.recvStart = function (this: (typeof handles)[number]) {
  handles.push(this);
  return recvStart.call(this);
};

const pairs = await DirectPairs.listen();
const { systemCalls, readiness } = threadSockets;

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

/** Node's handle stops telling of the epoll: ticks of the wheel find what comes, and nothing else is taken for lost. */
async function lost(): Promise<void> {
  let found = 0;
  let told = 0;
  readiness!.onLost = () => found++;
  const wheel = setInterval(() => readiness!.tick(), 50);
  const open = await pairs.openMany(400, () => ({
    onBytes() {
      told++;
      return told % 2 === 0;
    },
  }));
  const round = async (): Promise<void> => {
    told = 0;
    for (const { peer } of open) peer.write('x');
    while (told < open.length) {
      for (const { direct } of open) direct.resume();
      await new Promise(setImmediate);
    }
  };
  const until = performance.now() + 1_000;
  while (performance.now() < until) await round();
  const inGoodOrder = found;
  for (const { direct } of open) direct.resume();
  handles.at(-1)!.recvStop();
  await round();
  clearInterval(wheel);
  say({ inGoodOrder, found: found > 0 });
  process.exit();
}

/** The epoll has given events of which nobody was told: the next tick finds their connections. */
async function dropped(): Promise<void> {
  const told = new Set<number>();
  let heard = false;
  const open = await pairs.openMany(40, (n) => ({
    onBytes() {
      told.add(n);
      return true;
    },
  }));
  const last = await pairs.open({
    onBytes() {
      heard = true;
      return true;
    },
  });
  for (const { direct } of [...open, last]) direct.resume();
  for (const { direct } of open) direct.watchId = -direct.watchId;
  for (const { peer } of [...open, last]) peer.write('x');
  while (!heard) await new Promise(setImmediate);
  for (const { direct } of open) direct.watchId = -direct.watchId;
  for (let n = 0; n < 10; n++) await new Promise(setImmediate);
  const before = told.size;
  let found = 0;
  readiness!.onLost = () => found++;
  readiness!.tick();
  while (told.size < open.length) await new Promise(setImmediate);
  say({ before, told: told.size, found });
  process.exit();
}

await { echo, defect, end, terminate, first, lost, dropped }[process.argv[2]!]!();
