import type { Key } from '../keys/key.ts';
import { StripedLocks } from '../sessions/table/locks.ts';

/**
 * The shared memory of a RateTable: what to hand to a worker thread. Structured-cloneable; the buffer is shared, not
 * copied.
 */
export interface RateTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** A power of two. */
  readonly buckets: number;
}

const BUCKET_CELLS = 8;
/**
 * 128 bytes: two words of the key of cell 0 to 7 each in a cache line, then 8 doubles, the times of the cells, in
 * another.
 */
const BUCKET_WORDS = 32;
const BUCKET_DOUBLES = 16;
const TIMES = 8;
/** A power of two; bucket n is under lock n mod this. */
const STRIPES = 1024;
/** Of the time of one request: what rounding may add up to in a bucket that is just full. */
const SLACK = 1 / 1024;

/**
 * Token buckets of all threads, by key: a set-associative table in shared memory.
 *
 * A token bucket is one number, the time at which it will be full again (the "theoretical arrival time" of GCRA, ITU-T
 * I.371). A cell whose time has passed says nothing that an unknown key does not, and is free: so only those who have
 * just sent take room. When all cells of a bucket are in use, the one that is full again soonest goes, because least is
 * forgotten with it; who is over a limit cannot get rid of his own cell by means of many others.
 *
 * `now` is ms of a clock that all threads share and that is not set back (see MACHINE_TIME). Should it be set back all
 * the same, nobody waits longer than from an empty bucket. What needs a lock throws as StripedLocks does.
 */
export class RateTable {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #locks: StripedLocks;
  readonly #mask: number;

  /**
   * Memory for so many keys at once, 16 bytes each, rounded up to a power of two. Pages that are never used cost
   * nothing.
   */
  static allocate(keys: number): RateTableMemory {
    let buckets = 2;
    while (buckets * BUCKET_CELLS < keys) buckets *= 2;
    return { buffer: new SharedArrayBuffer((STRIPES + buckets * BUCKET_WORDS) * 4), buckets };
  }

  /** @param owner id of this thread, see StripedLocks: 1 the supervisor, 2 and up the workers */
  constructor(memory: RateTableMemory, owner: number) {
    this.#words = new Int32Array(memory.buffer);
    this.#doubles = new Float64Array(memory.buffer);
    this.#locks = new StripedLocks(this.#words, 0, STRIPES, owner);
    this.#mask = memory.buckets - 1;
  }

  /**
   * Takes a token from the bucket of a key, if it holds one.
   * @param interval ms in which one token comes back
   * @param burst tokens that a full bucket holds, 1 at least
   * @returns 0: taken. Otherwise the ms until there is one, and nothing has changed
   */
  take(key: Key, now: number, interval: number, burst: number): number {
    const bucket = key.c & this.#mask;
    const lock = bucket & (STRIPES - 1);
    this.#locks.lock(lock);
    try {
      const cell = this.#find(bucket, key);
      return this.#takeFrom(cell < 0 ? this.#freest(bucket) : cell, cell < 0, key, now, interval, burst);
    } finally {
      this.#locks.unlock(lock);
    }
  }

  /** What `take` would answer; nothing changes. */
  peek(key: Key, now: number, interval: number, burst: number): number {
    const bucket = key.c & this.#mask;
    const lock = bucket & (STRIPES - 1);
    this.#locks.lock(lock);
    try {
      const cell = this.#find(bucket, key);
      const full = cell < 0 ? now : Math.min(this.#doubles[this.#timeOf(cell)]!, now + interval * burst);
      return Math.max(0, waitOf(full, now, interval, burst));
    } finally {
      this.#locks.unlock(lock);
    }
  }

  /**
   * Takes away the locks of a thread that has ended; always before its owner id is used again. Answers how many it
   * held.
   */
  releaseLocks(owner: number): number {
    return this.#locks.releaseAll(owner);
  }

  /** The cell of a key, or -1. Its number is bucket x 8 + place. */
  #find(bucket: number, key: Key): number {
    const words = this.#words;
    const first = STRIPES + bucket * BUCKET_WORDS;
    for (let place = 0; place < BUCKET_CELLS; place++) {
      if (words[first + place] === key.a && words[first + BUCKET_CELLS + place] === key.b)
        return bucket * BUCKET_CELLS + place;
    }
    return -1;
  }

  /** The cell of a bucket that is full again first, or has been for longest. */
  #freest(bucket: number): number {
    const doubles = this.#doubles;
    const first = this.#timeOf(bucket * BUCKET_CELLS);
    let least = 0;
    for (let place = 1; place < BUCKET_CELLS; place++) {
      if (doubles[first + place]! < doubles[first + least]!) least = place;
    }
    return bucket * BUCKET_CELLS + least;
  }

  #timeOf(cell: number): number {
    return (STRIPES >> 1) + (cell >>> 3) * BUCKET_DOUBLES + TIMES + (cell & 7);
  }

  /**
   * @param anew the cell is somebody else's so far
   *
   * A thread may be terminated where a function is entered: what is written is written in one run, without a call in
   * between.
   */
  #takeFrom(cell: number, anew: boolean, key: Key, now: number, interval: number, burst: number): number {
    const words = this.#words;
    const doubles = this.#doubles;
    const time = this.#timeOf(cell);
    const tag = STRIPES + (cell >>> 3) * BUCKET_WORDS + (cell & 7);
    let full = anew ? now : doubles[time]!;
    if (full < now) full = now;
    if (full > now + interval * burst) full = now + interval * burst;
    const wait = waitOf(full, now, interval, burst);
    if (wait > 0) {
      // By a clock that was set back it would not come nearer.
      if (full < doubles[time]!) doubles[time] = full;
      return wait;
    }
    words[tag] = key.a;
    words[tag + BUCKET_CELLS] = key.b;
    doubles[time] = full + interval;
    return 0;
  }
}

/** The ms until a token is there, by the time at which the bucket is full; 0 or less: there is one. */
function waitOf(full: number, now: number, interval: number, burst: number): number {
  const wait = full - now - interval * (burst - 1);
  return wait > interval * SLACK ? wait : 0;
}
