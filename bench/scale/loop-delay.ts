/**
 * Goes into limpet with `--import`, into each of its threads: notes the longest turn of the event loop in each tenth of
 * a second while its parent wants to know. The parent sends `watch` and later `turns`, which is answered with a list
 * for each thread. Until then it does nothing.
 */
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';
import type { LoopTurns } from './resident-limpet.ts';

const EVERY_MS = 100;
/** Timers fire so far apart when nothing delays them, ms: a turn that takes longer shows in full. */
const RESOLUTION = 1;

let turns: LoopTurns['turns'][number][] = [];
let longest = { ms: 0, own: 0 };
/** At the timer's last turn, ms. */
let last = { at: 0, own: 0 };
let begin = 0;
let timer: NodeJS.Timeout | undefined;
/** How long this thread has slept in Atomics.wait, which is how the locks of the session table wait, ms. */
let slept = 0;

const { wait } = Atomics;
Atomics.wait = (...args: unknown[]) => {
  const from = performance.now();
  try {
    return (wait as (...args: unknown[]) => ReturnType<typeof wait>)(...args);
  } finally {
    slept += performance.now() - from;
  }
};

function watch(): void {
  turns = [];
  last = { at: performance.now(), own: own() };
  begin = last.at;
  longest = { ms: 0, own: 0 };
  timer ??= setInterval(look, RESOLUTION).unref();
}

function look(): void {
  const now = { at: performance.now(), own: own() };
  longest = {
    ms: Math.max(longest.ms, now.at - last.at - RESOLUTION),
    own: Math.max(longest.own, now.own - last.own),
  };
  last = now;
  if (now.at - begin < EVERY_MS) return;
  turns.push({ at: Date.now(), ...longest });
  longest = { ms: 0, own: 0 };
  begin = now.at;
}

/** CPU time of this thread, and how long it waited for locks, ms. */
function own(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000 + slept;
}

function stop(): LoopTurns {
  clearInterval(timer);
  timer = undefined;
  return { thread: isMainThread ? 'supervisor' : `worker ${threadId}`, turns };
}

const channel = new BroadcastChannel('limpet bench');
channel.onmessage = (event) => {
  const { data } = event as unknown as { readonly data: unknown };
  if (isMainThread) {
    if (typeof data === 'object') process.send?.(data);
  } else if (data === 'watch') watch();
  else if (data === 'turns') channel.postMessage(stop());
};
channel.unref();

if (isMainThread && process.send !== undefined) {
  process.on('message', (message) => {
    if (message === 'watch') watch();
    else process.send?.(stop());
    channel.postMessage(message);
  });
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
}
