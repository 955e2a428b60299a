import type { Backend } from '../../backends/backend.ts';
import type { Pool } from '../../backends/pool.ts';
import type { Key } from '../../keys/key.ts';
import type { Row } from '../table/row.ts';
import type { UserWords } from '../table/user-words.ts';
import type { UserVerdict } from '../users/user-index.ts';

/** What a store says of a session. */
export const Claim = {
  /** This call made the session, and no backend has answered it. */
  made: 0,
  /** It was there already: the table has its row. */
  bound: 1,
  /** It was ended, and does not come back. */
  ended: 2,
  /** Nobody knows better than the one who asks. The table has no row. */
  unknown: 3,
  /** It was there, bound to a backend that this node does not have. */
  elsewhere: 4,
  /** Nobody could be asked, and the configuration says that sessions are to be refused then. */
  refused: 5,
  /** The table may know more of it by now, such as that it is another name of a session: search again. */
  joined: 6,
} as const;

/** One of the values of Claim. */
export type Claim = (typeof Claim)[keyof typeof Claim];

/** A session that gets its user. */
export interface UserClaim {
  readonly key: Key;
  readonly pool: Pool;
  readonly user: UserWords;
  /** When the session began. */
  readonly created: number;
  /** It has no row yet: its place is kept until it is claimed once more, or dropped, or for HOLD_MS. */
  readonly hold: boolean;
}

/** What a store says of a UserClaim. */
export interface UserAnswer {
  /** What this node knows; it holds for now. */
  readonly verdict: UserVerdict;
  /**
   * What all nodes know, when that takes asking; null: it is the same. Never rejects. One that is refused in the end is
   * nobody's again.
   */
  readonly later: Promise<UserVerdict> | null;
}

/**
 * Who decides which backend a session is bound to: this process alone (`memory`), or all nodes that share a store.
 *
 * The session table is the first level of each: a row that is live and not pending is used without asking, and so is
 * what only refreshes it (`lookup`, `confirm`, `setIssued`). What is here is the rest: what begins, moves and ends
 * sessions. What answers with a Claim at once has filled `row` as the table does; a promise settles when the table has
 * been brought up to date, never rejects, and touches none of its arguments after the call. `now` and other times are
 * wall-clock time in ms since epoch.
 */
export interface SessionStore {
  /** Sessions must be refused at the moment: the store that nodes share is down, and the configuration says so. */
  readonly refuses: boolean;
  /** Other nodes may know what this one does not. */
  readonly shared: boolean;

  /**
   * Binds a key that the client chose and that has no session to a backend, provisionally until `SessionTable.confirm`.
   * Of several claims of one key, on whichever nodes, one wins (behaviour 18). An ended key begins anew.
   * @param by index into KEY_SOURCES
   * @param binding what else a session that is made is bound to, u32; 0: nothing
   * @returns made, bound, elsewhere, joined or refused
   */
  claim(
    key: Key,
    pool: Pool,
    backend: Backend,
    by: number,
    now: number,
    row: Row,
    binding?: number,
  ): Claim | Promise<Claim>;

  /**
   * Asks about a row of the table that is pending: another request of this node has claimed it a moment ago. `row` is
   * that row.
   */
  join(key: Key, pool: Pool, row: Row, now: number): Claim | Promise<Claim>;

  /**
   * Asks what others know of a session that the table does not have, and that its cookie proves or a key that the
   * client chose may name.
   * @param backend what the cookie names; null: no backend of the pool
   * @param created when the session began, by its cookie
   * @param stamp of the life of `backend` that it is bound to, by its cookie; absent: the one that it is in
   * @returns bound, ended, elsewhere, refused, joined, or unknown: go by the cookie
   */
  recall(
    key: Key,
    pool: Pool,
    backend: Backend | null,
    by: number,
    created: number,
    now: number,
    stamp?: number,
  ): Claim | Promise<Claim>;

  /**
   * A session that the table does not have, bound to `home`, was answered by `backend`: makes its row there; `row` is
   * it.
   * @param home null: it was bound to none that is known
   * @param stamp of the life of `home` that it was bound to, or, when `home` has answered it, is bound to from now on;
   *   absent: the one that it is in
   */
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
    stamp?: number,
  ): void;

  /**
   * A key that names no session came with a request of one that a backend has answered: it is another name of it from
   * now on (behaviour 115).
   * @param session key of the session, `row` as it is in the table
   */
  attach(key: Key, session: Key, row: Row, by: number, now: number): void;

  /**
   * The application says that this key lives on this backend (behaviour 17): it does from now on, whatever was known of
   * it, and it is confirmed.
   */
  bind(key: Key, pool: Pool, backend: Backend, by: number, now: number): void;

  /**
   * Binds a session to another backend, if it is still bound to what `row` says. `row` is the session as the table has
   * it after that.
   * @param reason index into MOVE_REASONS
   */
  move(key: Key, pool: Pool, backend: Backend, reason: number, now: number, row: Row): void;

  /** It knows the ends of all sessions itself, also those that this process had to forget (SessionTable.floor). */
  readonly remembersEnds: boolean;

  /** Forgets a session that no backend has answered and that is still bound to the slot. */
  release(key: Key, pool: Pool, slot: number): void;

  /**
   * Ends a session and refuses its key until then; with `until` not after `now` the key is free at once.
   * @param created when it began
   * @returns whether this call ended it here: of several one does, and none where there was no live session
   */
  end(key: Key, pool: Pool, created: number, until: number, now: number): boolean;

  /**
   * A session is to be its user's from now on, if the user may have it: at most `session.perUser.max` of the pool,
   * which has such a limit. The row says whose it is when this returns, unless the place is only held. What has to end
   * for it is left to the caller.
   */
  claimUser(claim: UserClaim, now: number): UserAnswer;

  /** Takes a session from its user, or gives up the place that was held for it. */
  dropUser(key: Key, pool: Pool, user: UserWords, created: number, now: number): void;

  /** A user's session goes on under another key. */
  renameUser(from: Key, to: Key, pool: Pool, user: UserWords, created: number, now: number): void;

  /** Settles when claims can be answered, or shortly after when they cannot. Never rejects. */
  start(): Promise<void>;

  /** Lets go of connections. */
  stop(): void;
}
