import type { Backend } from '../../backends/backend.ts';
import type { Pool } from '../../backends/pool.ts';
import type { Key } from '../../keys/key.ts';
import { Lookup } from '../table/lookup.ts';
import { MoveReason } from '../table/move-reasons.ts';
import { Row } from '../table/row.ts';
import type { SessionTable } from '../table/table.ts';
import type { UserWords } from '../table/user-words.ts';
import type { UserIndex, UserVerdict } from '../users/user-index.ts';
import { Claim, type SessionStore, type UserAnswer, type UserClaim } from './store.ts';

/** The table of this process is all there is: every question is answered at once. */
export class MemoryStore implements SessionStore {
  readonly refuses = false;
  readonly shared = false;
  readonly #table: SessionTable;
  readonly #users: UserIndex;
  readonly #other = new Row();

  constructor(table: SessionTable, users: UserIndex) {
    this.#table = table;
    this.#users = users;
  }

  claim(key: Key, pool: Pool, { slot, life }: Backend, by: number, now: number, row: Row, binding = 0): Claim {
    const made = this.#table.claim(key, pool.index, slot, life.stamp, by, now, row, true, false, binding);
    return made ? Claim.made : Claim.bound;
  }

  /** A row is pending here only when it came from a process that had a store: nobody is left to say more. */
  join(key: Key, _pool: Pool, row: Row, now: number): Claim {
    this.#table.clearPending(key);
    return this.#table.peek(key, now, row) === Lookup.LIVE ? Claim.bound : Claim.unknown;
  }

  recall(): Claim {
    return Claim.unknown;
  }

  adopt(
    key: Key,
    pool: Pool,
    home: Backend | null,
    backend: Backend,
    by: number,
    created: number,
    reason: number,
    now: number,
    row: Row,
    stamp = (home ?? backend).life.stamp,
  ): void {
    const first = home ?? backend;
    const { life } = backend;
    this.#table.adopt(key, pool.index, first.slot, home === null ? life.stamp : stamp, by, created, now, row);
    if (home === null || home === backend || row.state !== Lookup.LIVE) return;
    this.#table.move(key, home.slot, backend.slot, life.stamp, reason, now, row, stamp);
  }

  attach(key: Key, session: Key, row: Row, by: number, now: number): void {
    this.#table.join(key, session, row, by, now);
  }

  bind(key: Key, pool: Pool, backend: Backend, by: number, now: number): void {
    bindLearned(this.#table, this.#other, key, pool, backend, by, now);
  }

  move(key: Key, _pool: Pool, backend: Backend, reason: number, now: number, row: Row): void {
    this.#table.move(key, row.backend, backend.slot, backend.life.stamp, reason, now, row);
  }

  release(key: Key, _pool: Pool, slot: number): void {
    this.#table.release(key, slot);
  }

  end(key: Key, pool: Pool, _created: number, until: number, now: number): boolean {
    return endHere(this.#table, this.#other, key, pool, until, now);
  }

  get remembersEnds(): boolean {
    return false;
  }

  claimUser(claim: UserClaim, now: number): UserAnswer {
    return { verdict: claimHere(this.#users, claim, now), later: null };
  }

  dropUser(key: Key, _pool: Pool, user: UserWords, _created: number, now: number): void {
    this.#users.drop(key, user, now);
  }

  /** The index follows the key by itself. */
  renameUser(): void {}

  async start(): Promise<void> {}

  stop(): void {}
}

/** Ends a session in the table. `row` is scratch. Answers whether this call did. */
export function endHere(table: SessionTable, row: Row, key: Key, pool: Pool, until: number, now: number): boolean {
  if (until > now) return table.end(key, now, until, pool.index);
  const live = table.peek(key, now, row) === Lookup.LIVE;
  return table.remove(key) && live;
}

/** What the index of this process says of a claim. */
export function claimHere(users: UserIndex, { key, pool, user, hold }: UserClaim, now: number): UserVerdict {
  const { max, whenFull } = pool.config.session.perUser;
  return users.claim(key, user, max, whenFull, now, hold);
}

/**
 * Binds a key that the application handed out, in the table: an existing session of it moves. `row` is scratch, and is
 * the session after that.
 */
export function bindLearned(
  table: SessionTable,
  row: Row,
  key: Key,
  pool: Pool,
  backend: Backend,
  by: number,
  now: number,
): void {
  const { slot, life } = backend;
  const { stamp } = life;
  let made = table.claim(key, pool.index, slot, stamp, by, now, row, true);
  if (!made && row.joined) {
    // Another name of a session that is there; one that is elsewhere is not the one that it was handed out for.
    if (row.backend === slot && life.owns(row.generation)) return;
    table.part(key);
    made = table.claim(key, pool.index, slot, stamp, by, now, row, true);
  }
  if (!made && (row.backend !== slot || !life.owns(row.generation))) {
    table.move(key, row.backend, slot, stamp, MoveReason.relearned, now, row);
  }
  table.confirm(key, slot, now, stamp);
}
