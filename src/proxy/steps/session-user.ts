import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import { HeaderId } from '../../http1/header-id.ts';
import { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import type { Logger } from '../../logging/logger.ts';
import type { SessionJournal } from '../../logging/session-journal.ts';
import type { Route } from '../../routing/router.ts';
import type { SessionStore, UserAnswer } from '../../sessions/store/store.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { refusedUntil } from '../../sessions/table/refused-until.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import type { NewUsers } from '../../sessions/users/new-users.ts';
import type { User } from '../../sessions/users/user-hash.ts';
import type { OverSession, UserVerdict } from '../../sessions/users/user-index.ts';
import { noteSession } from '../session/note-session.ts';
import { learnedKey } from '../session/session-confirm.ts';
import { type AdmissionStep, type Gate, WAIT } from './admission.ts';
import { passed } from './passed.ts';
import type { Looked, StepKind } from './step-kind.ts';

/** Between two log lines about the same trouble. */
const QUIET_MS = 10_000;
/** Reason of an end, in the audit log. */
const REASON = 'per-user-limit';

/** What a SessionUser is made from. */
interface SessionUserParts {
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly newUsers: NewUsers;
  /** Null: the audit log is off. */
  readonly journal: () => SessionJournal | null;
  readonly log: Logger;
}

/**
 * Whose session it is, and how many a user may have (`session.perUser`).
 *
 * A request that says whose it is claims its session before a backend is asked: with a store that nodes share it waits
 * for that. A session that has no row yet is claimed when its backend has answered; with `whenFull: refuse` its place
 * is held from before the request goes out. A response that says whose session it is does not wait: what another node
 * has to say against it comes true a moment later.
 */
export class SessionUser implements AdmissionStep {
  readonly #parts: SessionUserParts;
  readonly #row = new Row();
  readonly #learned = new Key();
  #quietUntil = 0;

  constructor(parts: SessionUserParts) {
    this.#parts = parts;
  }

  isFor(_route: Route, { users }: PoolRuntime): boolean {
    return users.asks;
  }

  enter(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    const { users } = runtime;
    if (users.asksOnce && x.hasRow && !x.claimed) return null;
    const head = gate.head(x);
    const { trusted } = x.client;
    x.strippedFields = users.strippedFields(head, trusted);
    if (x.strategy === null) return null;
    const user = users.ofRequest(head, trusted);
    if (user === null) return null;
    if (!(user instanceof Promise)) return this.#claimFor(x, runtime, user, gate);
    const { serial } = x;
    void user.then(() => {
      if (x.serial !== serial || !x.active) return;
      // As if it came to this step only now.
      gate.again(x, serial);
    });
    return WAIT;
  }

  leave(x: Exchange): void {
    if (!x.userHeld) return;
    x.userHeld = false;
    // No backend has answered: there is no session.
    this.#parts.store.dropUser(x.found.key, x.pool!, x.user!, x.foundAt, Date.now());
  }

  /**
   * A backend has answered, and its session has a row. To be called when the request or the response says whose it is.
   * @returns the error that takes the place of the response; null: there is none
   */
  confirm(x: Exchange, head: Head, runtime: PoolRuntime): ErrorKind | null {
    const user = head.has(HeaderId.limpetUser) ? this.#told(x, head, runtime) : x.user;
    const key = learnedKey(this.#learned) ? this.#learned : x.found.key;
    if (user === null || (x.strategy === null && key === x.found.key)) return null;
    const now = Date.now();
    const row = this.#row;
    if (this.#parts.table.peek(key, now, row) !== Lookup.LIVE) return null;
    const held = x.userHeld && user === x.user && key === x.found.key;
    if (held) x.userHeld = false;
    else if (row.userA === user.a && row.userB === user.b) return null;
    this.#parts.newUsers.note(user);
    const { created } = row;
    const answer = this.#claim(x, runtime, key, user, created, false, now);
    if (!answer.verdict.granted) {
      this.#noteRefused(x, user, now);
      // Its client is not told of it: nobody needs it.
      if (x.fresh) this.#parts.store.end(x.found.key, runtime.pool, created, 0, now);
      return ERRORS.TOO_MANY_SESSIONS;
    }
    if (key === x.found.key) {
      x.row.userA = user.a;
      x.row.userB = user.b;
    }
    this.#endAll(answer.verdict.over, runtime, user, x.client.address);
    if (answer.later !== null) void this.#endLater(answer.later, key, runtime, user, created, x.client.address);
    return null;
  }

  /** The session of a user has another key since its own response. */
  onRotated(x: Exchange, from: Key): void {
    const { userA: a, userB: b, created } = x.row;
    if (from.equals(x.found.key)) return;
    if ((a | b) === 0 || x.pool!.config.session.perUser.max === 0) return;
    this.#parts.store.renameUser(from, x.found.key, x.pool!, { a, b }, created, Date.now());
  }

  #claimFor(x: Exchange, runtime: PoolRuntime, user: User, gate: Gate): ErrorKind | typeof WAIT | null {
    const { max, whenFull } = runtime.pool.config.session.perUser;
    this.#parts.newUsers.note(user);
    x.user = user;
    const known = x.hasRow && x.row.userA === user.a && x.row.userB === user.b;
    if (known || x.userHeld) return null;
    if (!x.hasRow && (max === 0 || whenFull === 'end-oldest')) return null;
    const hold = !x.hasRow;
    const now = Date.now();
    const answer = this.#claim(x, runtime, x.found.key, user, hold ? x.foundAt : x.row.created, hold, now);
    if (!answer.verdict.granted) return this.#refused(x, user, now);
    x.userHeld = hold;
    if (!hold) {
      x.row.userA = user.a;
      x.row.userB = user.b;
    }
    this.#endAll(answer.verdict.over, runtime, user, x.client.address);
    if (answer.later === null) return null;
    const { serial } = x;
    const { address } = x.client;
    void answer.later.then(({ granted, over }) => {
      this.#endAll(over, runtime, user, address);
      if (x.serial !== serial || !x.active) return;
      if (granted) return gate.resume(x, serial);
      x.userHeld = false;
      gate.turnAway(x, serial, this.#refused(x, user, Date.now()));
    });
    return WAIT;
  }

  #claim(
    x: Exchange,
    { pool }: PoolRuntime,
    key: Key,
    user: User,
    created: number,
    hold: boolean,
    now: number,
  ): UserAnswer {
    if (pool.config.session.perUser.max === 0) {
      this.#parts.table.setUser(key, user.a, user.b);
      return UNLIMITED;
    }
    const answer = this.#parts.store.claimUser({ key, pool, user, created, hold }, now);
    if (answer.verdict.missed)
      this.#complain(
        { pool: pool.name, request: x.requestId },
        'the index of users is full: a session was not counted for its user; raise sessions.max',
      );
    return answer;
  }

  #told(x: Exchange, head: Head, runtime: PoolRuntime): User | null {
    const user = runtime.users.ofResponse(head);
    if (user !== null) return user;
    this.#complain(
      { pool: runtime.pool.name, backend: x.backend?.id, request: x.requestId },
      'Limpet-User of a response was ignored: it has to be 1 to 256 bytes of visible text',
    );
    return x.user;
  }

  #refused(x: Exchange, user: User, now: number): ErrorKind {
    this.#noteRefused(x, user, now);
    return ERRORS.TOO_MANY_SESSIONS;
  }

  #noteRefused(x: Exchange, { a, b }: User, now: number): void {
    const journal = this.#parts.journal();
    if (journal === null) return;
    // The session is nobody's and stays so: the event says who was refused.
    const { hasRow, row } = x;
    const { userA, userB } = row;
    x.hasRow = true;
    row.userA = a;
    row.userB = b;
    noteSession(journal, 'refused', x, x.backend?.id ?? '', '', ERRORS.TOO_MANY_SESSIONS.code, now);
    row.userA = userA;
    row.userB = userB;
    x.hasRow = hasRow;
  }

  async #endLater(
    later: Promise<UserVerdict>,
    key: Key,
    runtime: PoolRuntime,
    user: User,
    created: number,
    client: string,
  ): Promise<void> {
    const own = new Key();
    own.copy(key);
    const { granted, over } = await later;
    this.#endAll(over, runtime, user, client);
    if (granted) return;
    // Given another id by the same response, it goes on under that one.
    this.#parts.table.successor(own, own);
    this.#endAll([{ key: own, created }], runtime, user, client);
  }

  /** Never throws: it is called where nobody waits. */
  #endAll(over: readonly OverSession[], { pool }: PoolRuntime, user: User, client: string): void {
    if (over.length === 0) return;
    const { table, store, log } = this.#parts;
    const now = Date.now();
    for (const { key, created } of over) {
      try {
        const row = this.#row;
        const backend = table.peek(key, now, row) === Lookup.LIVE ? pool.bySlot[row.backend] : undefined;
        const ended = store.end(key, pool, created, refusedUntil(pool.config.session, now), now);
        log.info({ pool: pool.name, session: format(key) }, 'session ended: its user has no room for another one');
        if (!ended) continue;
        this.#parts.journal()?.note({
          event: 'ended',
          time: now,
          key: format(key),
          pool: pool.name,
          backend: backend?.id ?? '',
          from: '',
          reason: REASON,
          userA: user.a,
          userB: user.b,
          client,
        });
      } catch (error) {
        this.#complain({ err: error, pool: pool.name }, 'a session could not be ended for its user');
      }
    }
  }

  #complain(fields: object, message: string): void {
    const now = Date.now();
    if (now < this.#quietUntil) return;
    this.#quietUntil = now + QUIET_MS;
    this.#parts.log.warn(fields, message);
  }
}

const UNLIMITED: UserAnswer = { verdict: { granted: true, over: [], missed: false }, later: null };

/** `session.perUser`. */
export const USER: StepKind = { name: 'user', make: ({ users }) => users, look };

function look(x: Exchange, { pool }: PoolRuntime): Looked | null {
  const { max, whenFull, header, claim } = pool.config.session.perUser;
  if (max === 0) return null;
  const known = x.hasRow && (x.row.userA !== 0 || x.row.userB !== 0);
  if (known)
    return passed('user', 'known', `The session is one of its user's already, and counts among at most ${max}.`);
  const source = header === null ? `the claim ${claim} of its token` : `the header ${header}`;
  const full =
    whenFull === 'refuse' ? 'a further one is refused with 429' : 'the least recently seen one ends for a further one';
  return passed(
    'user',
    'not looked at',
    `A user may have ${max} session${max === 1 ? '' : 's'}, and ${full}. Whose this one is, ${source} or the application says: that is not looked at here.`,
  );
}
