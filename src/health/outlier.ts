import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { WINDOW_PARTS } from '../backends/shared-layout.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { PassiveHealthConfig } from '../config/schema.ts';
import { Accusers } from './accusers.ts';
import { Evidence } from './evidence.ts';

// A cell of the window: which part of time it counts, whole (43 bits, so that no later part looks like it), over the
// failures in it (20 bits, and `failures` is at most a million).
const COUNT_BITS = 20n;
const COUNT_MASK = (1n << COUNT_BITS) - 1n;
/** Keeps hashes of addresses from being taken for those of sessions. */
const ADDRESS = 0x5bd1e995;
const LOCK_TRIES = 1000;

/** Whose request failed, as far as it matters to the count. */
export interface Accuser {
  /** Hash of the session that its request came with; 0: with none that was there before. */
  readonly session: number;
  /** When that session began, ms since the epoch. */
  readonly began: number;
  /** Hash of the client's address or network. */
  readonly address: number;
}

/**
 * Passive health, in the workers: ejects a backend when its traffic fails too often. One for each pool and thread.
 *
 * Failures are counted over all workers, in shared memory, by tenths of the window: a failure is forgotten when it is
 * between nine tenths of the window and a whole window old. The monitor of the supervisor lets the backend back in
 * after `eject`. An ejected backend goes on being probed; the two verdicts are kept apart, and it is usable when
 * neither speaks against it.
 *
 * An ejection moves all sessions away from their state, so one client must not be able to bring it about. What a
 * request can provoke counts once for each session and window, without a session once for each address; a session that
 * began after its address had been counted is that client again, with another cookie. Where probes find the backend
 * well, statuses do not count at all. A connect that fails always does.
 *
 * Ejections of all workers take turns under one lock, so the bounds of behaviour 42 hold for any number of them at
 * once. What may come in between is only the supervisor's: when a probe takes out the last other backend at the same
 * moment, the monitor sees a pool with none left and returns the ejected one at once.
 */
export class Outlier {
  readonly #pool: Pool;
  readonly #state: SharedState;
  readonly #config: PassiveHealthConfig;
  readonly #part: number;
  readonly #mostEjected: number;
  readonly #accusers: Accusers;

  /** For a pool with `health.passive`; without it there is nothing to detect, and callers keep null. */
  constructor(pool: Pool, state: SharedState) {
    const config = pool.config.health.passive;
    if (config === null) throw new Error(`pool ${pool.name} has no health.passive`);
    this.#pool = pool;
    this.#state = state;
    this.#config = config;
    this.#part = config.window / WINDOW_PARTS;
    this.#accusers = new Accusers(state.layout.accusers);
    // Rounded down, but not for the last bit of a fraction: 29% of 100 are 29.
    this.#mostEjected = Math.floor(config.maxEjected * pool.backends.length + 1e-9);
  }

  /**
   * One attempt at a backend of the pool has failed; never one that is the client's fault (behaviour 35).
   * @param evidence a value of Evidence
   * @param now in ms of Date.now, as all threads must agree on it
   * @returns whether the backend was ejected by this call
   */
  record({ slot }: Backend, evidence: number, accuser: Accuser, now: number): boolean {
    if (evidence === Evidence.none || this.#state.ejected(slot)) return false;
    if (evidence === Evidence.status && this.#pool.config.health.active !== null && this.#state.health(slot) === 'up')
      return false;
    if (evidence !== Evidence.connect && !this.#isNew(slot, accuser, now)) return false;
    return this.#count(slot, now) >= this.#config.failures && this.#eject(slot, now);
  }

  /** A session has got another id: what it has been counted for it is not counted for again. */
  renamed({ slot }: Backend, former: number, session: number, now: number): void {
    const { window } = this.#config;
    if (this.#accusers.since(slot, former, now, window) > 0) this.#accusers.note(slot, session, now, window);
  }

  #isNew(slot: number, { session, began, address: client }: Accuser, now: number): boolean {
    const { window } = this.#config;
    const address = client ^ ADDRESS;
    const since = this.#accusers.since(slot, address, now, window);
    if (session === 0 || (since > 0 && began > since)) return this.#accusers.note(slot, address, now, window);
    if (!this.#accusers.note(slot, session, now, window)) return false;
    if (since === 0) this.#accusers.note(slot, address, now, window);
    return true;
  }

  /** Counts one failure and returns how many there are in the window. */
  #count(slot: number, now: number): number {
    const { window } = this.#state.layout;
    const first = slot * WINDOW_PARTS;
    const part = Math.floor(now / this.#part);
    const cell = first + (part % WINDOW_PARTS);
    const number = BigInt(part);
    for (;;) {
      const before = Atomics.load(window, cell);
      const isOfThisPart = before >> COUNT_BITS === number;
      const count = isOfThisPart ? (before & COUNT_MASK) + 1n : 1n;
      const after = (number << COUNT_BITS) | (count > COUNT_MASK ? COUNT_MASK : count);
      if (Atomics.compareExchange(window, cell, before, after) === before) break;
    }
    let sum = 0;
    for (let i = first; i < first + WINDOW_PARTS; i++) {
      const value = Atomics.load(window, i);
      // Ahead of this thread by little: another looked at the clock a moment later. By much: the clock was set back.
      if (Math.abs(part - Number(value >> COUNT_BITS)) < WINDOW_PARTS) sum += Number(value & COUNT_MASK);
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
      layout.window.fill(0n, slot * WINDOW_PARTS, (slot + 1) * WINDOW_PARTS);
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
