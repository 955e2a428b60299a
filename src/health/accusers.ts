/** A cell: when (ms since the epoch, the high 44 bits: enough for five centuries) over a part of the hash of who. */
const TAG_BITS = 20n;
const TAG_MASK = (1 << 20) - 1;
/** Cells of a bucket. */
const WAYS = 8;

/**
 * Who has lately spoken against which backend: those whom passive ejection has counted and does not count again within
 * the window.
 *
 * Shared by all threads and bounded: a hash table in which the oldest of a bucket goes. What is forgotten too early
 * counts once more, and of a million who have nothing to do with each other about ten are taken for one that is there:
 * neither matters to a count of some. Off the hot path.
 */
export class Accusers {
  readonly #cells: BigInt64Array;
  readonly #buckets: number;

  /** @param cells shared memory, all zero at first; a power of two of them */
  constructor(cells: BigInt64Array) {
    this.#cells = cells;
    this.#buckets = cells.length / WAYS;
  }

  /**
   * When `who` (a hash, 32 bits) was counted against the backend of this slot, ms since the epoch; 0: not within
   * `window` ms of `now`.
   */
  since(slot: number, who: number, now: number, window: number): number {
    const hash = mix(slot, who);
    const tag = BigInt(hash & TAG_MASK);
    const first = this.#first(hash);
    for (let at = first; at < first + WAYS; at++) {
      const cell = Atomics.load(this.#cells, at);
      if (cell === 0n || BigInt.asUintN(20, cell) !== tag) continue;
      const time = Number(cell >> TAG_BITS);
      // From a future further away than a window: the clock was set back.
      if (Math.abs(now - time) < window) return time;
    }
    return 0;
  }

  /**
   * Notes that `who` is counted now. False: it has been within the window. Of several threads at once one is told true.
   */
  note(slot: number, who: number, now: number, window: number): boolean {
    const hash = mix(slot, who);
    const tag = BigInt(hash & TAG_MASK);
    const mark = (BigInt(Math.floor(now)) << TAG_BITS) | tag;
    const first = this.#first(hash);
    for (;;) {
      let oldest = first;
      let value = Atomics.load(this.#cells, first);
      let age = ageOf(value, now, window);
      for (let at = first; at < first + WAYS; at++) {
        const cell = Atomics.load(this.#cells, at);
        if (cell !== 0n && BigInt.asUintN(20, cell) === tag) {
          if (Math.abs(now - Number(cell >> TAG_BITS)) < window) return false;
          oldest = at;
          value = cell;
          break;
        }
        if (ageOf(cell, now, window) > age) {
          oldest = at;
          value = cell;
          age = ageOf(cell, now, window);
        }
      }
      // Somebody was faster: perhaps with the same name.
      if (Atomics.compareExchange(this.#cells, oldest, value, mark) === value) return true;
    }
  }

  #first(hash: number): number {
    return ((hash >>> 20) % this.#buckets) * WAYS;
  }
}

/**
 * How long ago a cell was noted, ms. Infinity: never, or in a future further away than a window, so that the clock was
 * set back.
 */
function ageOf(cell: bigint, now: number, window: number): number {
  if (cell === 0n) return Number.POSITIVE_INFINITY;
  const age = now - Number(cell >> TAG_BITS);
  return age > -window ? age : Number.POSITIVE_INFINITY;
}

/** Murmur's finalizer over both. */
function mix(slot: number, who: number): number {
  let hash = Math.imul(who ^ Math.imul(slot + 1, 0x9e3779b1), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
