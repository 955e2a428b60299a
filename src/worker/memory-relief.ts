import { type MemoryPressure, Pressure } from '../limits/memory-pressure.ts';
import { threadMemory } from '../limits/thread-memory.ts';
import type { Listener } from '../listeners/listener.ts';
import type { Logger } from '../logging/logger.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';

/** Ticks of the wheel between two looks. */
const LOOK_TICKS = 4;
/** Between two collections of the same thread, and after one until connections end. */
const COLLECT_MS = 1_000;
/** A connection that holds less is not worth ending. */
const LEAST_BYTES = 16_384;
/** Between two log lines. */
const QUIET_MS = 10_000;

interface ReliefParts {
  readonly pressure: MemoryPressure;
  readonly thread: number;
  readonly limit: () => number;
  readonly wheel: TimerWheel;
  readonly log: Logger;
  readonly labelled: LabelledCounters;
  /** Lets go of what is remembered only to save work. */
  readonly forget: () => void;
}

/** What one worker does about short memory, and what it says of its own. */
export class MemoryRelief {
  readonly #parts: ReliefParts;
  #ticks = 0;
  #collectedAt = Number.NEGATIVE_INFINITY;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ReliefParts) {
    this.#parts = parts;
  }

  /** To be called on each tick of the wheel. */
  tick(listeners: Iterable<Listener>): void {
    if (++this.#ticks % LOOK_TICKS !== 0) return;
    const { pressure, thread } = this.#parts;
    if (pressure.isAsked(thread)) {
      // Nobody is turned away for it: it would stay, as it is never more than it was.
      this.#parts.forget();
      this.#collect();
      pressure.answer(thread);
    }
    pressure.note(thread, threadMemory.used);
    const { level } = pressure;
    if (level === Pressure.none) return;
    const all = [...listeners];
    for (const listener of all) listener.relieve();
    if (level === Pressure.severe) this.#end(all);
  }

  #collect(): void {
    threadMemory.collect();
    this.#collectedAt = this.#parts.wheel.now;
  }

  /** Ends those that hold most and read least, as many as this worker's share of what is too much. */
  #end(listeners: readonly Listener[]): void {
    const { pressure, thread, limit, wheel, log, labelled } = this.#parts;
    // Nobody is ended for what V8 has not collected, nor for what those have held that were ended a moment ago.
    if (wheel.now - this.#collectedAt < COLLECT_MS) return;
    this.#collect();
    pressure.note(thread, threadMemory.used);
    const { used } = pressure;
    let left = ((used - limit()) * pressure.usedBy(thread)) / used;
    if (!(left > 0)) return;
    const candidates = listeners.flatMap((listener) => listener.holders(LEAST_BYTES));
    candidates.sort((one, other) => other.weight - one.weight);
    let ended = 0;
    for (const { connection, bytes } of candidates) {
      if (left <= 0) break;
      left -= bytes;
      ended++;
      connection.shed();
    }
    if (ended === 0) return;
    for (let n = 0; n < ended; n++) labelled.add('limpet_memory_ended_connections_total');
    if (wheel.now - this.#saidAt < QUIET_MS) return;
    this.#saidAt = wheel.now;
    log.warn({ connections: ended }, 'memory is far too short: connections that hold most and read least end');
  }
}
