/** Cells of a backend that BootIds has. */
export const BOOT_CELLS = 8;
/** Ids of a backend that BootIds knows: the current one, and those that were left last. */
export const BOOT_IDS = 16;

/** The one block of shared memory behind SharedState; a plain object that crosses postMessage. */
export interface SharedStateMemory {
  readonly buffer: SharedArrayBuffer;
  /** Worker threads, numbered 0..workers-1. */
  readonly workers: number;
  /** Backends that fit. */
  readonly slots: number;
}

/** Parts that the window of passive failures is divided into. */
export const WINDOW_PARTS = 10;

/** Those who have spoken against a backend lately, of all backends together: a power of two. 64 KiB. */
const ACCUSERS = 8_192;

/** Cells between the wake cells of two workers. */
export const WAKE_APART = 32;

/** Two cache lines: the prefetcher of x86 fetches lines in pairs, so one line apart is not apart enough. */
const APART = 128;

/** Memory for so many workers and backends, all zero: no slot is in use. */
export function allocateSharedState(workers: number, slots: number): SharedStateMemory {
  for (const [name, value] of [['workers', workers] as const, ['slots', slots] as const]) {
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, not ${value}`);
  }
  const size = new SharedLayout({ buffer: new SharedArrayBuffer(0), workers, slots }, true).byteLength;
  return { buffer: new SharedArrayBuffer(size), workers, slots };
}

/**
 * Typed-array views of the shared memory.
 *
 * Arrays by slot hold one cell a backend. Arrays by worker hold one row a thread, `rowInts` (or `rowFloats`) cells
 * apart, row 0 for the supervisor and row w+1 for worker w; a cell of such a row has one writer, and rows never share a
 * cache line.
 */
export class SharedLayout {
  readonly slots: number;
  /** Rows of the arrays by worker: the workers and the supervisor. */
  readonly rows: number;
  readonly rowInts: number;
  readonly rowFloats: number;
  readonly byteLength: number;

  /** By slot: state bits, see SharedState. */
  readonly flags: Int32Array;
  /** By slot: index into ERROR_CODES plus one; 0: none yet. */
  readonly lastError: Int32Array;
  /** By slot: when that was, ms since epoch. */
  readonly lastErrorAt: Float64Array;
  readonly configuredWeight: Float64Array;
  readonly slowStart: Float64Array;
  /** By slot: configured weight times slow start factor, worked out once when either changes. */
  readonly weight: Float64Array;
  /** By slot: moving average in ms; 0: not measured yet. */
  readonly latency: Float64Array;
  readonly lastChange: Float64Array;
  readonly ejectedUntil: Float64Array;
  /** WINDOW_PARTS cells a slot: which part of time it is (high bits) and the failures in it (low bits). */
  readonly window: BigInt64Array;
  /** Memory of Accusers, in health/. */
  readonly accusers: BigInt64Array;
  /** By slot: which life of its backend this is, see BackendLife; 1 is the first. */
  readonly life: Int32Array;
  /** Two cells a slot, by the parity of the life: when it began, ms since epoch; 0: before limpet knew the backend. */
  readonly lifeBegan: Float64Array;
  /**
   * By slot: the latest life in which the backend has answered; negative: it has not answered in it, but accepts
   * connections.
   */
  readonly answered: Int32Array;
  /** By slot: the life that a refused connection speaks against while others still stand; 0: none. */
  readonly suspect: Int32Array;
  /** By slot: until when, ms since epoch. */
  readonly suspectUntil: Float64Array;
  /** By slot: 1: no connection to the backend is kept for nothing but its end (`health.lifeline`). */
  readonly noLifeline: Int32Array;
  /** By slot: row + 1 of the worker that keeps one for that; 0: none does. */
  readonly keeper: Int32Array;
  /** Memory of BootIds. */
  readonly boot: Int32Array;
  readonly bootIds: BigInt64Array;
  /** One cell: who decides on an ejection right now (row + 1); 0: nobody. */
  readonly ejectionLock: Int32Array;
  /** By slot: who decides on a place below maxRequests right now (row + 1); 0: nobody. */
  readonly placeLock: Int32Array;
  /** By slot: the last ticket that was given to a waiting request. */
  readonly tickets: Int32Array;

  /** By worker and slot: requests in flight. */
  readonly active: Int32Array;
  /** By worker and slot: connections that are open. */
  readonly standing: Int32Array;
  /** By worker and slot: ticket of the oldest waiting request; 0: none waits. */
  readonly heads: Int32Array;
  /** By worker, WAKE_APART cells apart: 1 when the worker is to look at its waiting requests. */
  readonly wake: Int32Array;
  readonly requests: Float64Array;
  readonly failures: Float64Array;

  constructor(memory: SharedStateMemory, measureOnly = false) {
    const { buffer, workers, slots } = memory;
    this.slots = slots;
    this.rows = workers + 1;
    this.rowInts = roundUp(slots * 4) / 4 + APART / 4;
    this.rowFloats = roundUp(slots * 8) / 8 + APART / 8;

    let offset = 0;
    const take = (bytes: number): number => {
      const start = offset;
      offset = roundUp(offset + bytes) + APART;
      return start;
    };
    const ints = (length: number): Int32Array => {
      const start = take(length * 4);
      return measureOnly ? new Int32Array(0) : new Int32Array(buffer, start, length);
    };
    const floats = (length: number): Float64Array => {
      const start = take(length * 8);
      return measureOnly ? new Float64Array(0) : new Float64Array(buffer, start, length);
    };
    const longs = (length: number): BigInt64Array => {
      const start = take(length * 8);
      return measureOnly ? new BigInt64Array(0) : new BigInt64Array(buffer, start, length);
    };

    this.flags = ints(slots);
    this.weight = floats(slots);
    this.configuredWeight = floats(slots);
    this.slowStart = floats(slots);
    this.lastChange = floats(slots);
    this.ejectedUntil = floats(slots);
    this.lastError = ints(slots);
    this.lastErrorAt = floats(slots);
    this.latency = floats(slots);
    this.window = longs(slots * WINDOW_PARTS);
    this.accusers = longs(ACCUSERS);
    this.life = ints(slots);
    this.lifeBegan = floats(slots * 2);
    this.answered = ints(slots);
    this.suspect = ints(slots);
    this.suspectUntil = floats(slots);
    this.noLifeline = ints(slots);
    this.keeper = ints(slots);
    this.boot = ints(slots * BOOT_CELLS);
    this.bootIds = longs(slots * BOOT_IDS);
    this.ejectionLock = ints(1);
    this.placeLock = ints(slots);
    this.tickets = ints(slots);
    this.active = ints(this.rows * this.rowInts);
    this.standing = ints(this.rows * this.rowInts);
    this.heads = ints(this.rows * this.rowInts);
    this.wake = ints(this.rows * WAKE_APART);
    this.requests = floats(this.rows * this.rowFloats);
    this.failures = floats(this.rows * this.rowFloats);
    this.byteLength = offset;
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / APART) * APART;
}
