import type { Key } from '../../keys/key.ts';
import { StripedLocks } from './locks.ts';
import type { RowRecord } from './row-record.ts';

/**
 * The shared memory of Tombstones: what to hand to a worker thread. Structured-cloneable; the buffer is shared, not
 * copied.
 */
export interface TombstonesMemory {
  readonly buffer: SharedArrayBuffer;
  /** Ends that are remembered at once. */
  readonly capacity: number;
}

/** Words of the head. Doubles: ends that were ever added, ends that were dropped before their time, the floor. */
const ADDED = 0;
const DROPPED = 1;
const FLOOR = 2;
const HEAD_WORDS = 16;
/** Locks of chains, a power of two, and one more for adding. */
const STRIPES = 256;
/**
 * Words of a tombstone: the four of the key, the next one of its chain, pool u16 and OWN; doubles: until when it
 * stands, and when the session ended. 40 bytes.
 */
const WORDS = 10;
const NEXT = 4;
const POOL = 5;
const UNTIL = 3;
const ENDED = 4;
/** It ended in this process, and was not learned from another one. */
const OWN = 0x10000;
/** At least so many, however few sessions there may be, and at most so many: 11 MiB and 180 MiB when all are used. */
const LEAST = 262_144;
const MOST = 4_194_304;

/**
 * The ends of sessions, exactly: each until its cookie could not be valid any more (behaviour 24), however full the
 * session table is.
 *
 * A ring in shared memory, with a directory by key. Memory is bounded: when the ring is full the oldest end goes. One
 * that goes before its time raises the floor to the moment of that end: a cookie that was issued before the floor may
 * be that of a session that has ended, and is good only together with a row of the table. So nobody can bring an ended
 * session back by ending many others; what it costs is that sessions without a row begin anew.
 *
 * Every thread has one of its own over the same memory. A thread may be terminated at any moment: each chain is whole
 * then, and an end whose adding it did not finish has not ended its session either, as that comes after. Locks throw as
 * those of the table do.
 */
export class Tombstones {
  readonly capacity: number;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #locks: StripedLocks;
  readonly #chains: number;
  readonly #heads: number;
  readonly #base: number;

  /**
   * Memory for the ends that a table for so many sessions may see: 40 bytes each, and 4 to 8 for its place in the
   * directory. Pages that were never used cost nothing.
   */
  static allocate(sessions: number): TombstonesMemory {
    const capacity = Math.min(Math.max(LEAST, sessions), MOST);
    const { base } = layout(capacity);
    return { buffer: new SharedArrayBuffer((base + capacity * WORDS) * 4), capacity };
  }

  /** @param owner id of this thread, see StripedLocks */
  constructor({ buffer, capacity }: TombstonesMemory, owner: number) {
    const { chains, heads, base } = layout(capacity);
    this.capacity = capacity;
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
    this.#locks = new StripedLocks(this.#words, HEAD_WORDS, STRIPES + 1, owner);
    this.#chains = chains;
    this.#heads = heads;
    this.#base = base;
  }

  /** How many ends were added so far: a cursor for `visit`. */
  get added(): number {
    return this.#doubles[ADDED]!;
  }

  /** How many ends had to be dropped before their time. */
  get dropped(): number {
    return this.#doubles[DROPPED]!;
  }

  /** Places of the ring that have been used: its memory. */
  get used(): number {
    return Math.min(this.added, this.capacity);
  }

  /**
   * A cookie that was issued before this, ms since epoch, is good only together with a row; 0: each is good by itself.
   */
  get floor(): number {
    return this.#doubles[FLOOR]!;
  }

  /** Raises the floor; lower than it is changes nothing. */
  raise(floor: number): void {
    this.#locks.lock(STRIPES);
    this.#doubles[FLOOR] = Math.max(this.floor, floor);
    this.#locks.unlock(STRIPES);
  }

  /** Until when a key is refused, ms since epoch; 0: it is not. */
  until(key: Key, now: number): number {
    const chain = this.#chainOf(key);
    // The usual answer, without a lock: whoever is about to add the key here has not ended its session yet.
    if (Atomics.load(this.#words, this.#heads + chain) === 0) return 0;
    this.#locks.lock(chain & (STRIPES - 1));
    try {
      const at = this.#find(chain, key);
      const until = at === 0 ? 0 : this.#doubles[(at >> 1) + UNTIL]!;
      return until > now ? until : 0;
    } finally {
      this.#locks.unlock(chain & (STRIPES - 1));
    }
  }

  /**
   * Refuses a key until then; one that is refused for longer already stays so. `learned`: another process has ended it.
   */
  add(key: Key, pool: number, until: number, now: number, learned = false): void {
    const chain = this.#chainOf(key);
    if (this.#stands(chain, key, until, now)) return;
    this.#locks.lock(STRIPES);
    try {
      const added = this.added;
      const at = this.#base + (added % this.capacity) * WORDS;
      // In use, or left behind by a thread that was terminated.
      if (this.#doubles[(at >> 1) + UNTIL] !== 0) this.#drop(at, now);
      const words = this.#words;
      words[at] = key.a;
      words[at + 1] = key.b;
      words[at + 2] = key.c;
      words[at + 3] = key.d;
      words[at + POOL] = pool | (learned ? 0 : OWN);
      this.#doubles[(at >> 1) + UNTIL] = until;
      this.#doubles[(at >> 1) + ENDED] = now;
      this.#locks.lock(chain & (STRIPES - 1));
      words[at + NEXT] = words[this.#heads + chain]!;
      Atomics.store(words, this.#heads + chain, at);
      this.#locks.unlock(chain & (STRIPES - 1));
      this.#doubles[ADDED] = added + 1;
    } finally {
      this.#locks.unlock(STRIPES);
    }
  }

  /** The key may be used again: one that its client chose. */
  remove(key: Key): void {
    const chain = this.#chainOf(key);
    if (Atomics.load(this.#words, this.#heads + chain) === 0) return;
    this.#locks.lock(chain & (STRIPES - 1));
    try {
      for (let at = this.#find(chain, key); at !== 0; at = this.#find(chain, key)) {
        this.#cut(chain, at);
        this.#doubles[(at >> 1) + UNTIL] = 0;
      }
    } finally {
      this.#locks.unlock(chain & (STRIPES - 1));
    }
  }

  /**
   * Shows ends that still stand, in the order in which they were added. The record is the caller's, written anew for
   * each.
   * @param from a cursor: 0, or what the last call answered, or `added` of some moment
   * @param own leaves out those that were learned from another process
   * @returns the cursor to go on from; `added` when that was all
   */
  visit(
    from: number,
    limit: number,
    now: number,
    own: boolean,
    record: RowRecord,
    show: (record: RowRecord) => void,
  ): number {
    const { added } = this;
    let at = Math.max(from, added - this.capacity);
    for (let n = 0; n < limit && at < added; n++, at++) {
      if (this.#copy(this.#base + (at % this.capacity) * WORDS, now, own, record)) show(record);
    }
    return at;
  }

  /** Lets go of every lock that a thread held when it ended; see StripedLocks. */
  releaseLocks(owner: number): number {
    return this.#locks.releaseAll(owner);
  }

  #copy(at: number, now: number, own: boolean, record: RowRecord): boolean {
    const words = this.#words;
    const chain = this.#chain(words[at + 2]!);
    this.#locks.lock(chain & (STRIPES - 1));
    try {
      const until = this.#doubles[(at >> 1) + UNTIL]!;
      // Reused meanwhile for a key of another chain: that one has its turn later.
      if (until <= now || this.#chain(words[at + 2]!) !== chain || (own && (words[at + POOL]! & OWN) === 0))
        return false;
      record.clear();
      record.key.set(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
      record.ended = true;
      record.pool = words[at + POOL]! & 0xffff;
      record.created = this.#doubles[(at >> 1) + ENDED]!;
      record.lastSeen = until;
      return true;
    } finally {
      this.#locks.unlock(chain & (STRIPES - 1));
    }
  }

  /** False: the key has to be added. */
  #stands(chain: number, key: Key, until: number, now: number): boolean {
    this.#locks.lock(chain & (STRIPES - 1));
    try {
      const at = this.#find(chain, key);
      if (at === 0) return false;
      if (this.#doubles[(at >> 1) + UNTIL]! >= until) {
        this.#doubles[(at >> 1) + ENDED] = Math.max(now, this.#doubles[(at >> 1) + ENDED]!);
        return true;
      }
      // Added once more, and found before this one: whoever reads the ring is to hear of it.
      return false;
    } finally {
      this.#locks.unlock(chain & (STRIPES - 1));
    }
  }

  /** Takes what stands at this place out of its chain. Those that add have one lock: only `remove` may come before. */
  #drop(at: number, now: number): void {
    const chain = this.#chain(this.#words[at + 2]!);
    this.#locks.lock(chain & (STRIPES - 1));
    try {
      if (this.#doubles[(at >> 1) + UNTIL]! > now) {
        this.#doubles[DROPPED]!++;
        this.#doubles[FLOOR] = Math.max(this.floor, this.#doubles[(at >> 1) + ENDED]!);
      }
      this.#cut(chain, at);
      this.#doubles[(at >> 1) + UNTIL] = 0;
    } finally {
      this.#locks.unlock(chain & (STRIPES - 1));
    }
  }

  #find(chain: number, key: Key): number {
    const words = this.#words;
    for (let at = words[this.#heads + chain]!; at !== 0; at = words[at + NEXT]!) {
      if (words[at] === key.a && words[at + 1] === key.b && words[at + 2] === key.c && words[at + 3] === key.d)
        return at;
    }
    return 0;
  }

  #cut(chain: number, node: number): void {
    const words = this.#words;
    let link = this.#heads + chain;
    for (let at = words[link]!; at !== 0; at = words[link]!) {
      if (at === node) {
        Atomics.store(words, link, words[node + NEXT]!);
        return;
      }
      link = at + NEXT;
    }
  }

  #chainOf(key: Key): number {
    return this.#chain(key.c);
  }

  /** Keys are hashes: any word of them will do. */
  #chain(word: number): number {
    return word & (this.#chains - 1);
  }
}

function layout(capacity: number): { readonly chains: number; readonly heads: number; readonly base: number } {
  let chains = STRIPES;
  while (chains < capacity) chains *= 2;
  const heads = HEAD_WORDS + STRIPES + HEAD_WORDS;
  return { chains, heads, base: heads + chains };
}
