import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { Key } from './key.ts';
import type { Row } from './row.ts';

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
} as const;

/** One of the values of Claim. */
export type Claim = (typeof Claim)[keyof typeof Claim];

/**
 * Who decides which backend a session is bound to: this process alone (`memory`), or all nodes that share a store.
 *
 * The session table is the first level of each: a row that is live and not pending is used without asking, and so is what only refreshes it (`lookup`, `confirm`,
 * `setIssued`). What is here is the rest: what begins, moves and ends sessions. What answers with a Claim at once has filled `row` as the table does; a promise
 * settles when the table has been brought up to date, never rejects, and touches none of its arguments after the call.
 * `now` and other times are wall-clock time in ms since epoch.
 */
export interface SessionStore {
  /** Sessions must be refused at the moment: the store that nodes share is down, and the configuration says so. */
  readonly refuses: boolean;

  /**
   * Binds a key that the client chose and that has no session to a backend, provisionally until `SessionTable.confirm`. Of several claims of one key, on whichever
   * nodes, one wins (behaviour 18). An ended key begins anew.
   * @param by index into KEY_SOURCES
   * @returns made, bound, elsewhere or refused
   */
  claim(key: Key, pool: Pool, backend: Backend, by: number, now: number, row: Row): Claim | Promise<Claim>;

  /** Asks about a row of the table that is pending: another request of this node has claimed it a moment ago. `row` is that row. */
  join(key: Key, pool: Pool, row: Row, now: number): Claim | Promise<Claim>;

  /**
   * Asks what others know of a session that its cookie proves and the table does not have.
   * @param backend what the cookie names; null: no backend of the pool
   * @param created when the session began, by its cookie
   * @returns bound, ended, elsewhere, refused, or unknown: go by the cookie
   */
  recall(
    key: Key,
    pool: Pool,
    backend: Backend | null,
    by: number,
    created: number,
    now: number,
  ): Claim | Promise<Claim>;

  /**
   * A session that the table does not have, bound to `home`, was answered by `backend`: makes its row there; `row` is it.
   * @param home null: it was bound to none that is known
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
  ): void;

  /** The application says that this key lives on this backend (behaviour 17): it does from now on, whatever was known of it, and it is confirmed. */
  bind(key: Key, pool: Pool, backend: Backend, by: number, now: number): void;

  /**
   * Binds a session to another backend, if it is still bound to what `row` says. `row` is the session as the table has it after that.
   * @param reason index into MOVE_REASONS
   */
  move(key: Key, pool: Pool, backend: Backend, reason: number, now: number, row: Row): void;

  /** Forgets a session that no backend has answered and that is still bound to the slot. */
  release(key: Key, pool: Pool, slot: number): void;

  /**
   * Ends a session and refuses its key until then; with `until` not after `now` the key is free at once.
   * @param created when it began
   * @returns whether this call ended it here: of several one does, and none where there was no live session
   */
  end(key: Key, pool: Pool, created: number, until: number, now: number): boolean;

  /** Settles when claims can be answered, or shortly after when they cannot. Never rejects. */
  start(): Promise<void>;

  /** Lets go of connections. */
  stop(): void;
}
