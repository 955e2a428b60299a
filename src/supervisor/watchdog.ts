import type { Worker } from 'node:worker_threads';
import type { Logger } from '../logging/logger.ts';
import { type ThreadCpu, threadCpu } from './thread-cpu.ts';
import { workerStack } from './worker-stack.ts';

/**
 * A thread that makes no progress spins when it runs, or waits for a core, for at least this share of the time, and
 * really runs for `LEAST_USED` of it: on a machine with much else to do it gets little. One that waits for a lock wakes
 * now and then and runs hardly at all; one that waits for a disk never wants a core.
 */
const SPINS = 0.5;
const LEAST_USED = 0.01;
/** The same by CPU time alone, where the system says no more. */
const SPINS_BY_USE = 0.1;
/** A worker without progress for less is none of this file's business, ms. */
const PAUSE_MS = 250;
/** So many workers are ended within `WINDOW_MS` at most: whatever is wrong, most of them go on. */
const MOST_ENDS = 3;
const WINDOW_MS = 60_000;
/** A thread that is asked to end has ended by then, unless it is in native code that never looks up. */
const END_MS = 5_000;

/** What the watchdog knows of a worker. */
export interface WatchedWorker {
  readonly index: number;
  readonly thread: Worker | null;
  readonly listening: boolean;
  /** See `systemThreadId`. */
  readonly tid: number;
}

interface WatchdogParts {
  /** How long a worker may spin, ms; 0: for ever. Asked at each look. */
  readonly limit: () => number;
  /** For how long a worker has been seen to make no progress, by punctual turns of the supervisor, ms. */
  readonly silence: (worker: number) => number;
  /** A worker is about to be ended. */
  readonly onEnd: () => void;
  readonly log: Logger;
  /** Monotonic, ms. */
  readonly now: () => number;
  readonly cpu?: typeof threadCpu;
  readonly stack?: typeof workerStack;
  readonly inspected?: () => boolean;
}

/** How one worker has spun so far. */
interface Spin {
  silence: number;
  cpu: ThreadCpu;
  at: number;
  /** ms of silence in which it used CPU. */
  spent: number;
}

/**
 * Ends workers that spin (behaviour 78): that make no progress while their thread uses CPU. Whoever ended starts again,
 * as after an error, and what they held in shared memory is taken from them.
 */
export class Watchdog {
  readonly #parts: WatchdogParts;
  readonly #spins = new Map<Worker, Spin>();
  /** The one that is being ended, until another one listens in its place. */
  #ending: { readonly index: number; readonly thread: Worker; readonly since: number } | null = null;
  #saidStays = false;
  /** When workers were ended, by `now`. */
  #ends: number[] = [];
  #saidMany = false;

  constructor(parts: WatchdogParts) {
    this.#parts = parts;
  }

  /** To be called now and then, by turns of the event loop that may be late. */
  look(workers: readonly WatchedWorker[]): void {
    const limit = this.#parts.limit();
    for (const thread of this.#spins.keys()) {
      if (!workers.some((worker) => worker.thread === thread)) this.#spins.delete(thread);
    }
    if (limit === 0) return this.#spins.clear();
    this.#lookAtEnding(workers);
    for (const worker of workers) {
      const { thread, listening } = worker;
      if (thread === null || !listening || thread === this.#ending?.thread) continue;
      if (this.#spent(worker, thread) >= limit) this.#end(worker.index, thread);
    }
  }

  /** For how long a worker has spun, ms. */
  #spent({ index, tid }: WatchedWorker, thread: Worker): number {
    const silence = this.#parts.silence(index);
    const before = this.#spins.get(thread);
    if (silence < PAUSE_MS || (before !== undefined && silence < before.silence)) {
      this.#spins.delete(thread);
      return 0;
    }
    const cpu = (this.#parts.cpu ?? threadCpu)(tid);
    if (cpu === null) return 0;
    const at = this.#parts.now();
    if (before === undefined) {
      this.#spins.set(thread, { silence, cpu, at, spent: 0 });
      return 0;
    }
    // Ticks of CPU time are coarse: not by looks that follow at once.
    if (at - before.at < PAUSE_MS / 2) return before.spent;
    if (isSpinning(before.cpu, cpu, at - before.at)) before.spent += silence - before.silence;
    before.silence = silence;
    before.cpu = cpu;
    before.at = at;
    return before.spent;
  }

  #lookAtEnding(workers: readonly WatchedWorker[]): void {
    const ending = this.#ending;
    if (ending === null) return;
    const place = workers.find(({ index }) => index === ending.index);
    if (place === undefined || (place.thread !== ending.thread && place.listening)) {
      this.#ending = null;
      this.#saidStays = false;
    } else if (place.thread === ending.thread && this.#parts.now() - ending.since > END_MS && !this.#saidStays) {
      this.#saidStays = true;
      const fields = { worker: ending.index };
      this.#parts.log.error(fields, 'worker cannot be ended: it spins in native code; start limpet again');
    }
  }

  #end(index: number, thread: Worker): void {
    const { now, log, inspected = isInspected } = this.#parts;
    if (this.#ending !== null || inspected()) return;
    const at = now();
    this.#ends = this.#ends.filter((end) => at - end < WINDOW_MS);
    if (this.#ends.length >= MOST_ENDS) {
      if (!this.#saidMany) log.error({ worker: index }, 'worker spins and goes on: three were ended within a minute');
      this.#saidMany = true;
      return;
    }
    this.#saidMany = false;
    this.#ends.push(at);
    this.#ending = { index, thread, since: at };
    void this.#endWithStack(index, thread);
  }

  async #endWithStack(index: number, thread: Worker): Promise<void> {
    const { silence, log, onEnd, stack = workerStack } = this.#parts;
    const spinning = silence(index);
    const where = await stack(thread);
    if (silence(index) < spinning) {
      // It has come back by itself meanwhile, and was not ended.
      this.#ending = null;
      this.#ends.pop();
      return;
    }
    const fields = { worker: index, spunMs: Math.round(spinning), stack: where ?? 'no stack' };
    log.error(fields, 'worker uses CPU and makes no progress (watchdog): it is ended and started again');
    onEnd();
    await thread.terminate();
  }
}

/** @param ms between the two */
function isSpinning(before: ThreadCpu, after: ThreadCpu, ms: number): boolean {
  const used = after.used - before.used;
  if (before.waited === null || after.waited === null) return used >= SPINS_BY_USE * ms;
  return used >= LEAST_USED * ms && used + after.waited - before.waited >= SPINS * ms;
}

/** Whether somebody debugs this process: a worker may stand still at a breakpoint. */
function isInspected(): boolean {
  try {
    return process.getBuiltinModule('node:inspector').url() !== undefined;
  } catch {
    // A Node without an inspector.
    return false;
  }
}
