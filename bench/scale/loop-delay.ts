/**
 * Goes into limpet with `--import`, into each of its threads: notes the longest turn of the event loop in each tenth of a second while its parent
 * wants to know. The parent sends `watch` and later `turns`, which is answered with a list for each thread. Until then it does nothing.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BroadcastChannel, isMainThread, threadId } from 'node:worker_threads';
import { stolen } from '../cpu.ts';
import type { LoopTurns } from './resident-limpet.ts';

const EVERY_MS = 100;
/** Timers fire so far apart when nothing delays them, ms. */
const RESOLUTION = 1;

const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
let turns: LoopTurns['turns'][number][] = [];
let waited = 0;
let taken = 0;
let timer: NodeJS.Timeout | undefined;

function watch(): void {
  turns = [];
  waited = waitedNs();
  taken = stolen();
  histogram.reset();
  histogram.enable();
  timer ??= setInterval(() => {
    const [total, all] = [waitedNs(), stolen()];
    const ms = Math.max(0, histogram.max / 1e6 - RESOLUTION);
    turns.push({ at: Date.now(), ms, waited: (total - waited) / 1e6, stolen: (all - taken) * 1000 });
    waited = total;
    taken = all;
    histogram.reset();
  }, EVERY_MS).unref();
}

/** How long this thread has been ready to run and had no core so far, ns (Documentation/scheduler/sched-stats.rst); 0 where the kernel does not say. */
function waitedNs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]);
  } catch {
    return 0;
  }
}

function stop(): LoopTurns {
  clearInterval(timer);
  timer = undefined;
  histogram.disable();
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
