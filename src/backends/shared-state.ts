import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import {
  allocateSharedState,
  BOOT_CELLS,
  BOOT_IDS,
  SharedLayout,
  type SharedStateMemory,
  WAKE_APART,
  WINDOW_PARTS,
} from './shared-layout.ts';
import * as bits from './slot-flags.ts';

/** What the operator wants of a backend. */
export type AdminState = keyof typeof bits.ADMIN_FLAGS;
/** What probes say of a backend; `unknown` is usable. */
export type Health = keyof typeof bits.HEALTH_FLAGS;

const LATENCY_SHARE = 1 / 8;

/**
 * Live state of all backends by slot, in memory that every thread sees.
 *
 * Weights, health and admin state are written by the supervisor alone; an ejection by whoever decides it. Counts have a
 * row of cells for each thread, so that the data path writes without an atomic operation. Marked HOT: no allocation, no
 * atomics.
 */
export class SharedState {
  /** The raw memory, for the parts that build on it. */
  readonly layout: SharedLayout;
  readonly slots: number;
  /** Row of this thread in the arrays by worker. */
  readonly row: number;
  readonly #wallClock: () => number;
  readonly #flags: Int32Array;
  readonly #active: Int32Array;
  readonly #ownActive: Int32Array;
  readonly #stride: number;
  readonly #ownRequests: Float64Array;
  readonly #ownFailures: Float64Array;

  /** Memory for `workers` threads and `slots` backends; every slot is free. */
  static allocate(workers: number, slots = 1024): SharedStateMemory {
    return allocateSharedState(workers, slots);
  }

  /** `worker` is 0..workers-1, or -1 for the supervisor. `wallClock` (ms since the epoch) dates the changes. */
  constructor(memory: SharedStateMemory, worker: number, wallClock: () => number = Date.now) {
    if (!Number.isInteger(worker) || worker < -1 || worker >= memory.workers) {
      throw new RangeError(`worker must be -1 to ${memory.workers - 1}, not ${worker}`);
    }
    const layout = new SharedLayout(memory);
    this.layout = layout;
    this.slots = layout.slots;
    this.row = worker + 1;
    this.#wallClock = wallClock;
    this.#flags = layout.flags;
    this.#active = layout.active;
    this.#stride = layout.rowInts;
    this.#ownActive = layout.active.subarray(this.row * layout.rowInts, this.row * layout.rowInts + layout.slots);
    const floats = this.row * layout.rowFloats;
    this.#ownRequests = layout.requests.subarray(floats, floats + layout.slots);
    this.#ownFailures = layout.failures.subarray(floats, floats + layout.slots);
  }

  /**
   * A backend takes the slot: in its first life, health unknown, not ejected, counters zero unless `keepCounts` says
   * that they are its own. The requests in flight are left alone: each worker counts its own down, and SlotRegistry
   * gives out no slot that has any.
   */
  reset(
    slot: number,
    {
      admin,
      weight,
      keepCounts = false,
    }: { readonly admin: AdminState; readonly weight: number; readonly keepCounts?: boolean },
  ): void {
    const { layout } = this;
    for (let row = 0; row < layout.rows && !keepCounts; row++) {
      layout.requests[row * layout.rowFloats + slot] = 0;
      layout.failures[row * layout.rowFloats + slot] = 0;
    }
    layout.latency[slot] = 0;
    layout.lastError[slot] = 0;
    layout.ejectedUntil[slot] = 0;
    layout.slowStart[slot] = 1;
    layout.window.fill(0n, slot * WINDOW_PARTS, (slot + 1) * WINDOW_PARTS);
    layout.configuredWeight[slot] = weight;
    layout.weight[slot] = weight;
    layout.lastChange[slot] = this.#wallClock();
    layout.lifeBegan.fill(0, slot * 2, slot * 2 + 2);
    layout.answered[slot] = 0;
    layout.suspect[slot] = 0;
    layout.boot.fill(0, slot * BOOT_CELLS, (slot + 1) * BOOT_CELLS);
    layout.bootIds.fill(0n, slot * BOOT_IDS, (slot + 1) * BOOT_IDS);
    Atomics.store(layout.life, slot, 1);
    Atomics.store(layout.flags, slot, bits.IN_USE | bits.ADMIN_FLAGS[admin] | (weight > 0 ? 0 : bits.WEIGHTLESS));
  }

  /** The backend is gone: the slot is neither usable nor open until the next `reset`. */
  vacate(slot: number): void {
    Atomics.store(this.#flags, slot, 0);
  }

  /** Whether a backend has the slot. */
  inUse(slot: number): boolean {
    return (this.#flags[slot]! & bits.IN_USE) !== 0;
  }

  adminState(slot: number): AdminState {
    const flags = this.#flags[slot]!;
    return flags & bits.MAINTENANCE ? 'maintenance' : flags & bits.DRAIN ? 'drain' : 'ready';
  }

  /** Returns whether it changed. */
  setAdminState(slot: number, state: AdminState): boolean {
    return this.#change(slot, bits.DRAIN | bits.MAINTENANCE, bits.ADMIN_FLAGS[state]);
  }

  health(slot: number): Health {
    const flags = this.#flags[slot]!;
    return flags & bits.DOWN ? 'down' : flags & bits.UP ? 'up' : 'unknown';
  }

  /** Returns whether it flipped. */
  setHealth(slot: number, health: Health): boolean {
    return this.#change(slot, bits.UP | bits.DOWN, bits.HEALTH_FLAGS[health]);
  }

  ejected(slot: number): boolean {
    return (this.#flags[slot]! & bits.EJECTED) !== 0;
  }

  /** Returns whether it flipped: of several threads that eject at once, one is told true. */
  setEjected(slot: number, on: boolean): boolean {
    return this.#change(slot, bits.EJECTED, on ? bits.EJECTED : 0);
  }

  /** Ejects until `until`, in ms of the clock that all threads share; returns whether it flipped. */
  eject(slot: number, until: number): boolean {
    this.layout.ejectedUntil[slot] = until;
    return this.setEjected(slot, true);
  }

  /** May carry requests of sessions bound to it: in use, not down, not ejected, not in maintenance. HOT */
  isUsable(slot: number): boolean {
    return (this.#flags[slot]! & bits.USABLE) === bits.IN_USE;
  }

  /** May get new sessions: usable, ready, and of a weight above 0 (behaviour 13). HOT */
  isOpen(slot: number): boolean {
    return (this.#flags[slot]! & bits.OPEN) === bits.IN_USE;
  }

  /** Effective weight: the configured one times the slow start factor. HOT */
  weight(slot: number): number {
    return this.layout.weight[slot]!;
  }

  configuredWeight(slot: number): number {
    return this.layout.configuredWeight[slot]!;
  }

  /** Sets the configured weight; 0 closes the backend for new sessions. */
  setWeight(slot: number, weight: number): void {
    this.layout.configuredWeight[slot] = weight;
    this.layout.weight[slot] = weight * this.layout.slowStart[slot]!;
    this.#swap(slot, bits.WEIGHTLESS, weight > 0 ? 0 : bits.WEIGHTLESS);
  }

  /** Sets the share of its weight that a recovering backend gets, above 0 and at most 1. */
  setSlowStart(slot: number, factor: number): void {
    if (!(factor > 0 && factor <= 1)) throw new RangeError(`factor must be above 0 and at most 1, not ${factor}`);
    this.layout.slowStart[slot] = factor;
    this.layout.weight[slot] = this.layout.configuredWeight[slot]! * factor;
  }

  /** A request of this thread is in flight. HOT */
  begin(slot: number): void {
    this.#ownActive[slot]!++;
  }

  /**
   * A request of this thread has ended. HOT; where requests may wait for a place, BackendQueue.release is called
   * instead.
   */
  end(slot: number): void {
    this.#ownActive[slot]!--;
  }

  /**
   * `begin` if fewer than `max` are in flight over all workers. Exact: the look and the count are made under a lock by
   * slot. Nothing but the workers' own counts is kept, so there is no second number that the death of a worker could
   * leave wrong.
   */
  tryBegin(slot: number, max: number): boolean {
    const { placeLock } = this.layout;
    // A holder needs some ten nanoseconds, unless the system took its core away: then let it have ours.
    for (let spins = 0; ; spins++) {
      const holder = Atomics.compareExchange(placeLock, slot, 0, this.row + 1);
      if (holder === 0) break;
      if (spins > 1000) Atomics.wait(placeLock, slot, holder, 1);
    }
    const free = this.activeNow(slot) < max;
    if (free) Atomics.add(this.#ownActive, slot, 1);
    Atomics.store(placeLock, slot, 0);
    return free;
  }

  /** Requests in flight over all workers. HOT */
  active(slot: number): number {
    const cells = this.#active;
    const stride = this.#stride;
    let sum = 0;
    for (let i = slot; i < cells.length; i += stride) sum += cells[i]!;
    return sum;
  }

  /** The same as `active` by atomic reads: ordered with the other atomic operations of this thread. */
  activeNow(slot: number): number {
    let sum = 0;
    for (let i = slot; i < this.#active.length; i += this.#stride) sum += Atomics.load(this.#active, i);
    return sum;
  }

  /**
   * A worker has ended: its requests in flight, its waiting requests and its connections are gone, its locks are free,
   * and the workers that have requests waiting look again whether there is a place now. Call it before the worker's
   * successor starts.
   */
  clearWorker(worker: number): void {
    const { layout } = this;
    const row = worker + 1;
    const start = row * layout.rowInts;
    for (let slot = 0; slot < layout.slots; slot++) {
      Atomics.store(layout.active, start + slot, 0);
      Atomics.store(layout.heads, start + slot, 0);
      Atomics.store(layout.standing, start + slot, 0);
      Atomics.compareExchange(layout.keeper, slot, row + 1, 0);
      Atomics.compareExchange(layout.boot, slot * BOOT_CELLS, row + 1, 0);
      Atomics.compareExchange(layout.placeLock, slot, row + 1, 0);
    }
    Atomics.compareExchange(layout.ejectionLock, 0, row + 1, 0);
    // Not by wakeRow: the dead worker may have set a cell and ended before it could notify.
    for (let cell = 0; cell < layout.wake.length; cell += WAKE_APART) {
      Atomics.store(layout.wake, cell, cell === row * WAKE_APART ? 0 : 1);
      Atomics.notify(layout.wake, cell);
    }
  }

  /** Tells the worker of a row to look at its waiting requests; it is told once until it has looked. */
  wakeRow(row: number): void {
    const cell = row * WAKE_APART;
    if (Atomics.exchange(this.layout.wake, cell, 1) === 0) Atomics.notify(this.layout.wake, cell, 1);
  }

  /** Adds a response time to the moving average; two threads at once may lose one, which an average can bear. HOT */
  recordLatency(slot: number, ms: number): void {
    const { latency } = this.layout;
    const before = latency[slot]!;
    // Never 0, which stands for "not measured".
    latency[slot] = Math.max(0.001, before === 0 ? ms : before + (ms - before) * LATENCY_SHARE);
  }

  /** Moving average of the response times in ms; 0: not measured yet. HOT */
  latency(slot: number): number {
    return this.layout.latency[slot]!;
  }

  /** Counts a request. HOT */
  recordRequest(slot: number): void {
    this.#ownRequests[slot]!++;
  }

  requests(slot: number): number {
    return this.#sum(this.layout.requests, slot);
  }

  /**
   * Counts a failed attempt; `errorIndex` is its place in ERROR_CODES, -1: it has no code, and the last error stays.
   * HOT
   */
  recordFailure(slot: number, errorIndex: number): void {
    this.#ownFailures[slot]!++;
    if (errorIndex >= 0) this.setLastError(slot, errorIndex);
  }

  failures(slot: number): number {
    return this.#sum(this.layout.failures, slot);
  }

  /** Notes an error that is no failed request (a probe's); `errorIndex` is its place in ERROR_CODES. */
  setLastError(slot: number, errorIndex: number): void {
    this.layout.lastErrorAt[slot] = this.#wallClock();
    this.layout.lastError[slot] = errorIndex + 1;
  }

  lastError(slot: number): ErrorCode | null {
    return ERROR_CODES[this.layout.lastError[slot]! - 1] ?? null;
  }

  /** When the last error was, in ms since the epoch; of no meaning while there is none. */
  lastErrorAt(slot: number): number {
    return this.layout.lastErrorAt[slot]!;
  }

  /** When health, ejection or admin state changed last, in ms since the epoch. */
  lastChange(slot: number): number {
    return this.layout.lastChange[slot]!;
  }

  #sum(cells: Float64Array, slot: number): number {
    let sum = 0;
    for (let i = slot; i < cells.length; i += this.layout.rowFloats) sum += cells[i]!;
    return sum;
  }

  #change(slot: number, mask: number, value: number): boolean {
    const changed = this.#swap(slot, mask, value);
    if (changed) this.layout.lastChange[slot] = this.#wallClock();
    return changed;
  }

  /** Replaces the masked bits in one step, since the supervisor and a worker may write different bits at once. */
  #swap(slot: number, mask: number, value: number): boolean {
    for (;;) {
      const before = Atomics.load(this.#flags, slot);
      // Nobody's slot: a late verdict on a backend that has left must not mark its successor.
      if ((before & bits.IN_USE) === 0 || (before & mask) === value) return false;
      if (Atomics.compareExchange(this.#flags, slot, before, (before & ~mask) | value) === before) return true;
    }
  }
}
