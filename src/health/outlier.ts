import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { WINDOW_PARTS } from '../backends/shared-layout.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { PassiveHealthConfig } from '../config/schema.ts';

// A cell of the window: which part of time it counts (11 bits) over the failures in it (21 bits, more than `failures` may be).
const COUNT_BITS = 21;
const COUNT_MASK = (1 << COUNT_BITS) - 1;
const PART_MASK = (1 << (32 - COUNT_BITS)) - 1;
const LOCK_TRIES = 1000;

/**
 * Passive health, in the workers: ejects a backend when its traffic fails too often. One for each pool and thread.
 *
 * Failures are counted over all workers, in shared memory, by tenths of the window: a failure is forgotten when it is between nine
 * tenths of the window and a whole window old. The monitor of the supervisor lets the backend back in after `eject`.
 * An ejected backend goes on being probed; the two verdicts are kept apart, and it is usable when neither speaks against it.
 *
 * Ejections of all workers take turns under one lock, so the bounds of behaviour 42 hold for any number of them at once. What may
 * come in between is only the supervisor's: when a probe takes out the last other backend at the same moment, the monitor sees a
 * pool with none left and returns the ejected one at once.
 */
export class Outlier {
  readonly #pool: Pool;
  readonly #state: SharedState;
  readonly #config: PassiveHealthConfig;
  readonly #part: number;
  readonly #mostEjected: number;

  /** For a pool with `health.passive`; without it there is nothing to detect, and callers keep null. */
  constructor(pool: Pool, state: SharedState) {
    const config = pool.config.health.passive;
    if (config === null) throw new Error(`pool ${pool.name} has no health.passive`);
    this.#pool = pool;
    this.#state = state;
    this.#config = config;
    this.#part = config.window / WINDOW_PARTS;
    // Rounded down, but not for the last bit of a fraction: 29% of 100 are 29.
    this.#mostEjected = Math.floor(config.maxEjected * pool.backends.length + 1e-9);
  }

  /**
   * The outcome of one attempt at a backend of the pool, never one that is the client's fault (behaviour 35).
   * `now` in ms of Date.now, as all threads must agree on it. Returns whether the backend was ejected by this call.
   */
  record(backend: Backend, ok: boolean, now: number): boolean {
    if (ok || this.#state.ejected(backend.slot)) return false;
    return this.#count(backend.slot, now) >= this.#config.failures && this.#eject(backend.slot, now);
  }

  /** Counts one failure and returns how many there are in the window. */
  #count(slot: number, now: number): number {
    const { window } = this.#state.layout;
    const first = slot * WINDOW_PARTS;
    const part = Math.floor(now / this.#part);
    const cell = first + (part % WINDOW_PARTS);
    for (;;) {
      const before = Atomics.load(window, cell);
      const isOfThisPart = before >>> COUNT_BITS === (part & PART_MASK);
      const count = isOfThisPart ? Math.min((before & COUNT_MASK) + 1, COUNT_MASK) : 1;
      const after = ((part & PART_MASK) << COUNT_BITS) | count;
      if (Atomics.compareExchange(window, cell, before, after) === before) break;
    }
    let sum = 0;
    for (let i = first; i < first + WINDOW_PARTS; i++) {
      const value = Atomics.load(window, i);
      const age = (part - (value >>> COUNT_BITS)) & PART_MASK;
      if (age < WINDOW_PARTS) sum += value & COUNT_MASK;
    }
    return sum;
  }

  #eject(slot: number, now: number): boolean {
    const { layout, row } = this.#state;
    let tries = 0;
    while (Atomics.compareExchange(layout.ejectionLock, 0, 0, row + 1) !== 0) {
      // Somebody holds it too long: the next failure tries again, rather than this request waiting.
      if (++tries === LOCK_TRIES) return false;
    }
    try {
      if (!this.#mayEject(slot) || !this.#state.eject(slot, now + this.#config.eject)) return false;
      layout.window.fill(0, slot * WINDOW_PARTS, (slot + 1) * WINDOW_PARTS);
      return true;
    } finally {
      Atomics.store(layout.ejectionLock, 0, 0);
    }
  }

  /** Behaviour 42: another backend must be open, and the share of the pool that is out not be used up. */
  #mayEject(slot: number): boolean {
    let ejected = 0;
    let others = 0;
    for (const backend of this.#pool.backends) {
      if (this.#state.ejected(backend.slot)) ejected++;
      else if (backend.slot !== slot && this.#state.isOpen(backend.slot)) others++;
    }
    return ejected < this.#mostEjected && others > 0;
  }
}
