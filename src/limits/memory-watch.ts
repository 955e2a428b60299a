import type { Logger } from '../logging/logger.ts';
import type { Clock } from '../timing/clock.ts';
import { type MemoryPressure, Pressure } from './memory-pressure.ts';
import { threadMemory } from './thread-memory.ts';

/** Between two looks, ms. */
const LOOK_MS = 200;
/** The longest that threads are waited for to collect what nobody needs. */
const ANSWER_MS = 2_000;
/**
 * Threads collect so often at most: while memory is short, and where garbage alone is above the limit again and again.
 */
const AGAIN_MS = 2_000;
/** Shares of the limit: below it is over, and above it connections end. */
const OVER = 0.9;
const SEVERE = 1.1;

interface MemoryWatchParts {
  readonly pressure: MemoryPressure;
  /** Of this thread. */
  readonly thread: number;
  /** Bytes; Infinity: there is no limit. Asked at each look. */
  readonly limit: () => number;
  readonly log: Logger;
  readonly clock: Clock;
  /** Monotonic, ms. */
  readonly now?: () => number;
}

/** Decides for all threads whether memory is short (`limits.memory`). One a process, in the supervisor. */
export class MemoryWatch {
  readonly #parts: MemoryWatchParts;
  /** Not by the time of day: set back, it would put off for as long what ends the shortage. */
  readonly #now: () => number;
  #timer: unknown = null;
  /** When the threads were asked to collect, by #now; 0: they are not. */
  #askedAt = 0;
  /** And when they were asked last. */
  #lastAskedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: MemoryWatchParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#parts.clock.clear(this.#timer);
  }

  #next(): void {
    this.#timer = this.#parts.clock.set(() => {
      this.#look();
      this.#next();
    }, LOOK_MS);
    // It holds up no end.
    (this.#timer as { unref?(): void }).unref?.();
  }

  #look(): void {
    const { pressure, thread } = this.#parts;
    const limit = this.#parts.limit();
    if (pressure.isAsked(thread)) {
      threadMemory.collect();
      pressure.answer(thread);
    }
    pressure.note(thread, threadMemory.used);
    const { used } = pressure;
    if (pressure.level !== Pressure.none) this.#whileShort(used, limit);
    else if (used <= limit) this.#askedAt = 0;
    else if (this.#isTrue()) this.#begin(used, limit);
  }

  /** Whether what is used is needed: most of it may be what V8 has had no reason to collect. */
  #isTrue(): boolean {
    const { pressure } = this.#parts;
    if (this.#askedAt === 0) {
      if (this.#now() - this.#lastAskedAt > AGAIN_MS) this.#ask();
      return false;
    }
    return pressure.allAnswered || this.#now() - this.#askedAt > ANSWER_MS;
  }

  #ask(): void {
    this.#askedAt = this.#now();
    this.#lastAskedAt = this.#askedAt;
    this.#parts.pressure.ask();
  }

  #begin(used: number, limit: number): void {
    this.#parts.pressure.level = used > limit * SEVERE ? Pressure.severe : Pressure.high;
    this.#parts.log.warn(
      { used: Math.round(used), limit: Math.round(limit) },
      'memory is short (limits.memory): no new connections, and idle ones close',
    );
  }

  #whileShort(used: number, limit: number): void {
    const { pressure, log } = this.#parts;
    if (used >= limit * OVER) {
      pressure.level = used > limit * SEVERE ? Pressure.severe : Pressure.high;
      // What those have held who have gone is to be seen.
      if (this.#now() - this.#askedAt > AGAIN_MS) this.#ask();
      return;
    }
    pressure.level = Pressure.none;
    this.#askedAt = 0;
    log.info({ used: Math.round(used), limit: Math.round(limit) }, 'memory is not short any more');
  }
}
