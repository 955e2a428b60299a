import { type SessionTableMemory, type TableOffsets, tableOffsets } from './table-memory.ts';

/** The numbers beside the rows of a session table: counters, exact over all threads, and the limits of the pools. */
export class SessionCounts {
  readonly #memory: SessionTableMemory;
  readonly #at: TableOffsets;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(memory: SessionTableMemory, words: Int32Array, doubles: Float64Array) {
    this.#memory = memory;
    this.#at = tableOffsets(memory);
    this.#words = words;
    this.#doubles = doubles;
  }

  /** See SessionTable.setLimits. */
  setLimits(pool: number, idle: number, lifetime: number): void {
    this.check(0, pool, 0, 0);
    const at = (this.#at.limits >> 1) + pool * 2;
    this.#doubles[at] = idle;
    this.#doubles[at + 1] = lifetime;
  }

  /** The shorter of the limits of a pool, ms; 0: none are set. */
  shortestLimit(pool: number): number {
    const at = (this.#at.limits >> 1) + pool * 2;
    return Math.min(this.#doubles[at]!, this.#doubles[at + 1]!);
  }

  /** Live sessions. */
  get size(): number {
    return this.#sum(this.#at.size, 1);
  }

  /** As many sessions as there may be. */
  get full(): boolean {
    return this.size >= this.#memory.max;
  }

  /** Live sessions on a backend. */
  ofSlot(slot: number): number {
    this.check(slot, 0, 0, 0);
    return this.#sum(this.#at.counts + slot, this.#at.countsStride);
  }

  /** Live sessions of a pool. */
  ofPool(pool: number): number {
    this.check(0, pool, 0, 0);
    return this.#sum(this.#at.counts + this.#memory.slots + pool, this.#at.countsStride);
  }

  /** See SessionTable.evictions. */
  get evictions(): number {
    return this.#sum(this.#at.evictions, 1) >>> 0;
  }

  /**
   * Refuses numbers that do not fit into a row, or that have no counter: counters lie side by side, and one out of
   * range would count in another's place.
   * @param byte a key source or a reason
   * @throws RangeError
   */
  check(slot: number, pool: number, generation: number, byte: number): void {
    const { slots, pools } = this.#memory;
    if (!(slot >= 0 && slot < slots && Number.isInteger(slot))) throw outOfRange('backend slot', slot, slots);
    if (!(pool >= 0 && pool < pools && Number.isInteger(pool))) throw outOfRange('pool', pool, pools);
    if (!(generation >= 0 && generation < 0x10000)) throw outOfRange('backend generation', generation, 0x10000);
    if (!(byte >= 0 && byte < 0x100)) throw outOfRange('key source or reason', byte, 0x100);
  }

  /**
   * Plain reads, though other threads write: a word is never torn, and each call reads anew. A row that comes or goes
   * meanwhile may be in the sum or not; one that moves may be in both of its slots' or in none.
   */
  #sum(first: number, stride: number): number {
    let sum = 0;
    for (let thread = 0, at = first; thread < this.#memory.threads; thread++, at += stride)
      sum = (sum + this.#words[at]!) | 0;
    return sum;
  }
}

function outOfRange(what: string, value: number, count: number): RangeError {
  return new RangeError(`${what} ${value} is not a whole number from 0 to ${count - 1}`);
}
