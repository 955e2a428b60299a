import { Key } from '../../keys/key.ts';
import { Lookup } from '../table/lookup.ts';
import { Row } from '../table/row.ts';
import { SharedChains, type SharedChainsMemory } from '../table/shared-chains.ts';
import type { SessionTable } from '../table/table.ts';
import type { UserWords } from '../table/user-words.ts';

/** A session that has to end, since its user has too many. */
export interface OverSession {
  readonly key: Key;
  /** When it began, ms since epoch. */
  readonly created: number;
}

/** What came of a claim on a user's sessions. */
export interface UserVerdict {
  /** False: the user has as many sessions as it may have, and the one that claims stays nobody's. */
  readonly granted: boolean;
  /**
   * Sessions that have to end so that there are no more than allowed: the least recently seen ones, and never the one
   * that claims.
   */
  readonly over: readonly OverSession[];
  /** The session is not in the index: it is full. */
  readonly missed: boolean;
}

/** The usual verdict. */
export const GRANTED: UserVerdict = { granted: true, over: [], missed: false };
/** The user has too many sessions. */
export const NO_ROOM: UserVerdict = { granted: false, over: [], missed: false };

/** What to do when a user has too many sessions. */
export type WhenFull = 'end-oldest' | 'refuse';

/**
 * Words of a node: the key of a session in 0 to 3, then the user, then until when it is held, in seconds since
 * HOLD_EPOCH.
 */
const USER_A = 4;
const USER_B = 5;
const HELD = 6;
/** 2020-01-01: seconds since then fit into a word until 2088. */
const HOLD_EPOCH = 1_577_836_800_000;
/** A session that has no row yet keeps its place for so long; then its request has been answered or never will be. */
export const HOLD_MS = 120_000;

interface Candidate {
  readonly node: number;
  readonly lastSeen: number;
  readonly created: number;
}

/**
 * Which sessions each user has, for all threads: chains of keys in shared memory. The session table has the last word:
 * an entry whose session is no longer live, or another user's by now, is none, and goes when somebody comes upon it;
 * one that goes on under another key is followed. So nobody has to tell of ends, of evictions, expiries and rotations,
 * and a thread that dies leaves nothing wrong behind.
 *
 * Claims of one user come one after the other, under the lock of its chain: whatever the workers do at the same time,
 * no more than the allowed sessions are left. The locks of the table are taken within it, never the other way round.
 * All throws as StripedLocks does.
 */
export class UserIndex {
  readonly #chains: SharedChains;
  readonly #table: SessionTable;
  readonly #key = new Key();
  readonly #row = new Row();
  #sweepAt = 0;

  /**
   * Memory for so many sessions that have a user.
   * @throws RangeError when it is not a whole number from 1
   */
  static allocate(sessions: number): SharedChainsMemory {
    return SharedChains.allocate(sessions);
  }

  /** @param owner id of this thread, see StripedLocks */
  constructor(memory: SharedChainsMemory, table: SessionTable, owner: number) {
    this.#chains = new SharedChains(memory, owner);
    this.#table = table;
  }

  /** Entries, dead ones among them. */
  get size(): number {
    return this.#chains.used;
  }

  /** Number of chains: a sweep of so many is a whole round. */
  get chains(): number {
    return this.#chains.chains;
  }

  /**
   * Makes a session the user's, in the table too, if the user may have it: one it has already is never refused.
   * @param max most sessions of this user, from 1
   * @param hold the session has no row yet, so that the table is not told: it keeps its place until it is claimed once
   *   more, or dropped, or for HOLD_MS
   */
  claim(key: Key, { a, b }: UserWords, max: number, whenFull: WhenFull, now: number, hold = false): UserVerdict {
    const chains = this.#chains;
    const chain = chains.of(a);
    chains.lock(chain);
    try {
      const others: Candidate[] = [];
      let own = 0;
      for (let node = chains.first(chain), next = 0; node !== 0; node = next) {
        next = chains.next(node);
        if (!this.#isOf(node, a, b)) continue;
        const lastSeen = this.#seen(node, now);
        const mine = this.#key.equals(key);
        // Rotated by one request and claimed by another, it may stand here twice.
        if (lastSeen < 0 || (mine && own !== 0)) chains.unlink(chain, node);
        else if (mine) own = node;
        else others.push({ node, lastSeen, created: this.#row.created });
      }
      const over = others.length + 1 - max;
      if (over > 0 && whenFull === 'refuse' && own === 0) return NO_ROOM;
      const ended = over > 0 && whenFull === 'end-oldest' ? this.#unlinkOldest(chain, others, over) : GRANTED.over;
      if (own === 0) own = chains.append(chain, key.a, key.b, key.c, key.d, a, b, 0);
      if (own !== 0) chains.set(own, HELD, hold ? holdWord(now + HOLD_MS) : 0);
      // Under the lock: nobody comes upon the entry before its session is the user's.
      if (!hold) this.#table.setUser(key, a, b);
      if (own !== 0 && ended.length === 0) return GRANTED;
      return { granted: true, over: ended, missed: own === 0 };
    } finally {
      chains.unlock(chain);
    }
  }

  /** Takes a session from the user, in the table too where it is the user's: a place that was held is free again. */
  drop(key: Key, { a, b }: UserWords, now: number): void {
    const chains = this.#chains;
    const chain = chains.of(a);
    chains.lock(chain);
    try {
      const node = this.#find(chain, key, a, b, now);
      if (node !== 0) chains.unlink(chain, node);
      const row = this.#row;
      if (this.#table.peek(key, now, row) === Lookup.LIVE && row.userA === a && row.userB === b)
        this.#table.setUser(key, 0, 0);
    } finally {
      chains.unlock(chain);
    }
  }

  /** Enters a session of which the table says whose it is. False: the index is full. */
  add(key: Key, { a, b }: UserWords, now: number): boolean {
    const chains = this.#chains;
    const chain = chains.of(a);
    chains.lock(chain);
    try {
      return this.#find(chain, key, a, b, now) !== 0 || chains.append(chain, key.a, key.b, key.c, key.d, a, b, 0) !== 0;
    } finally {
      chains.unlock(chain);
    }
  }

  /** Live sessions of a user, and places that are held. */
  count({ a, b }: UserWords, now: number): number {
    const chains = this.#chains;
    const chain = chains.of(a);
    let count = 0;
    chains.lock(chain);
    try {
      for (let node = chains.first(chain); node !== 0; node = chains.next(node))
        if (this.#isOf(node, a, b) && this.#seen(node, now) >= 0) count++;
    } finally {
      chains.unlock(chain);
    }
    return count;
  }

  /** Takes out what is dead in the next so many chains, round and round from one call to the next. */
  sweep(count: number, now: number): void {
    const chains = this.#chains;
    for (let n = Math.min(count, chains.chains); n > 0; n--) {
      const chain = this.#sweepAt;
      this.#sweepAt = chain + 1 < chains.chains ? chain + 1 : 0;
      // Without the lock it is a hint.
      if (chains.first(chain) === 0) continue;
      chains.lock(chain);
      try {
        for (let node = chains.first(chain), next = 0; node !== 0; node = next) {
          next = chains.next(node);
          if (this.#seen(node, now) < 0) chains.unlink(chain, node);
        }
      } finally {
        chains.unlock(chain);
      }
    }
  }

  /** Lets go of what a thread held when it ended. Answers how many locks that were. */
  releaseLocks(owner: number): number {
    return this.#chains.releaseLocks(owner);
  }

  #isOf(node: number, a: number, b: number): boolean {
    return this.#chains.get(node, USER_A) === a && this.#chains.get(node, USER_B) === b;
  }

  /** The entry of a session, also when it stands there under an earlier key. */
  #find(chain: number, key: Key, a: number, b: number, now: number): number {
    for (let node = this.#chains.first(chain); node !== 0; node = this.#chains.next(node)) {
      if (!this.#isOf(node, a, b)) continue;
      this.#seen(node, now);
      if (this.#key.equals(key)) return node;
    }
    return 0;
  }

  #read(node: number): void {
    const chains = this.#chains;
    this.#key.set(chains.get(node, 0), chains.get(node, 1), chains.get(node, 2), chains.get(node, 3));
  }

  /**
   * When the session of an entry was last seen; -1: it has none. A place that is held counts as seen now. Leaves the
   * session's key, which may be a new one, in `#key`.
   */
  #seen(node: number, now: number): number {
    const chains = this.#chains;
    const row = this.#row;
    this.#read(node);
    let found = this.#table.peek(this.#key, now, row);
    if (found === Lookup.ENDED && this.#table.successor(this.#key, this.#key) > 0) {
      found = this.#table.peek(this.#key, now, row);
      if (found === Lookup.LIVE) {
        chains.set(node, 0, this.#key.a);
        chains.set(node, 1, this.#key.b);
        chains.set(node, 2, this.#key.c);
        chains.set(node, 3, this.#key.d);
      }
    }
    if (found === Lookup.LIVE && row.userA === chains.get(node, USER_A) && row.userB === chains.get(node, USER_B))
      return row.lastSeen;
    if (found === Lookup.ENDED) return -1;
    return chains.get(node, HELD) > holdWord(now) ? now : -1;
  }

  /** @returns the keys of those that were seen least recently */
  #unlinkOldest(chain: number, others: Candidate[], count: number): OverSession[] {
    others.sort((one, other) => one.lastSeen - other.lastSeen);
    return others.slice(0, count).map(({ node, created }) => {
      this.#read(node);
      const key = new Key();
      key.copy(this.#key);
      this.#chains.unlink(chain, node);
      return { key, created };
    });
  }
}

function holdWord(time: number): number {
  return Math.floor((time - HOLD_EPOCH) / 1_000) | 0;
}
