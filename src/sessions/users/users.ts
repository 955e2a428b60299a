import { setImmediate } from 'node:timers/promises';
import type { Pool } from '../../backends/pool.ts';
import type { Logger } from '../../logging/logger.ts';
import type { RowRecord } from '../table/row-record.ts';
import type { SharedChainsMemory } from '../table/shared-chains.ts';
import type { SessionTable } from '../table/table.ts';
import { UserIndex } from './user-index.ts';
import { type SharedNames, UserNames } from './user-names.ts';

/** Buckets that are gone through at once when the index is filled. */
const FILL_BUCKETS = 2_048;
/** Between two log lines about a full index. */
const QUIET_MS = 60_000;

/** What Users are made from. */
interface UsersParts {
  /** As the supervisor has it. */
  readonly table: SessionTable;
  /** Most sessions of the table. */
  readonly sessions: number;
  /** The pools as they run now. */
  readonly pools: () => readonly Pool[];
  /** What keys are hashed with. */
  readonly keySecret: Uint8Array;
  /** Null: `store: memory`. */
  readonly shared: SharedNames | null;
  readonly log: Logger;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/**
 * The supervisor's part of the limits per user: the memory of the index, and that it has every session which the table
 * says is a user's, and none that is dead. Only sessions of pools with a limit are in it.
 */
export class Users {
  readonly #parts: UsersParts;
  /** For the workers. */
  readonly memory: SharedChainsMemory;
  readonly names: UserNames;
  readonly index: UserIndex;
  #limited: ReadonlySet<number> = new Set();
  #at = 0;
  #quietUntil = 0;
  readonly #visit = (record: RowRecord): void => this.#add(record);

  constructor(parts: UsersParts) {
    this.#parts = parts;
    this.memory = UserIndex.allocate(parts.sessions);
    this.index = new UserIndex(this.memory, parts.table, 1);
    this.names = new UserNames(parts.keySecret, parts.shared);
  }

  /**
   * Goes by the pools as they are now: after the start's rows have come, and after each reload. Settles when the
   * sessions of pools that have a limit only now are in the index.
   */
  async update(): Promise<void> {
    const { table, pools } = this.#parts;
    const before = this.#limited;
    const limited = pools().filter(({ config }) => config.session.perUser.max > 0);
    this.#limited = new Set(limited.map(({ index }) => index));
    if (limited.every(({ index }) => before.has(index))) return;
    for (let at = 0; at < table.buckets; ) {
      at += this.#fill(at, FILL_BUCKETS);
      await setImmediate();
    }
  }

  /** Some of a round over the index and the table. Never throws. @param share of the round */
  sweep(share: number): void {
    if (this.#limited.size === 0 && this.index.size === 0) return;
    const { table, now, log } = this.#parts;
    try {
      this.index.sweep(Math.ceil(this.index.chains * share), now());
      if (this.#limited.size === 0) return;
      this.#at += this.#fill(this.#at, Math.ceil(table.buckets * share));
      if (this.#at >= table.buckets) this.#at = 0;
    } catch (error) {
      // A thread died with a lock, which is about to be taken from it: what was left out has its turn in the next
      // round.
      log.debug({ err: error }, 'a part of the index of users could not be gone through');
    }
  }

  /** Lets go of what a worker held when it ended. */
  clearWorker(owner: number): void {
    this.index.releaseLocks(owner);
  }

  /** @returns how many buckets it went through, at least one */
  #fill(bucket: number, count: number): number {
    const { table, now } = this.#parts;
    return Math.max(1, table.copy(bucket, count, this.#visit, now()));
  }

  #add({ ended, userA: a, userB: b, pool, key }: RowRecord): void {
    if (ended || (a | b) === 0 || !this.#limited.has(pool)) return;
    const { now, log } = this.#parts;
    const time = now();
    if (this.index.add(key, { a, b }, time) || time < this.#quietUntil) return;
    this.#quietUntil = time + QUIET_MS;
    log.warn({}, 'the index of users is full: users may have more sessions than session.perUser.max until some end');
  }
}
