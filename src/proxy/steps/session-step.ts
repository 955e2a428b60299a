import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import { Key } from '../../keys/key.ts';
import type { Logger } from '../../logging/logger.ts';
import type { SessionJournal } from '../../logging/session-journal.ts';
import type { LabelledCounters } from '../../metrics/labelled-counters.ts';
import type { Route } from '../../routing/router.ts';
import { Claim, type SessionStore } from '../../sessions/store/store.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SearchedRows } from '../../sessions/table/searched-rows.ts';
import { Search } from '../session/search.ts';
import { answered } from '../session/session-claim.ts';
import { findSession } from '../session/session-search.ts';
import { type Gate, type SessionSearch, WAIT } from './admission.ts';
import type { StepKind } from './step-kind.ts';

/** What a SessionStep is made from. */
interface SessionStepParts {
  readonly table: SearchedRows;
  readonly store: SessionStore;
  readonly labelled: Pick<LabelledCounters, 'add'>;
  readonly log: Pick<Logger, 'warn'>;
  /** Null: the audit log is off. */
  readonly journal: () => SessionJournal | null;
  /** Told whose request is worked on: what becomes of rows meanwhile is noted with the address. */
  readonly requester: { client: string };
}

/**
 * Finds the session of a request, where its route has any, with all that may have to be waited for: keys that tokens
 * are signed with, and the store that nodes share.
 */
export class SessionStep implements SessionSearch {
  readonly #parts: SessionStepParts;

  constructor(parts: SessionStepParts) {
    this.#parts = parts;
  }

  isFor({ sticky }: Route, { strategies }: PoolRuntime): boolean {
    return sticky && strategies.length > 0;
  }

  enter(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    return this.#parts.store.refuses ? ERRORS.STORE_DOWN : this.#find(x, runtime, gate, gate.now(x));
  }

  /**
   * As if the request had just come to this step: what it knew of its session does not hold any more. Goes on by
   * `Gate.found` when it has waited.
   */
  again(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    // Nothing of the last search counts: it may end without a session.
    x.strategy = null;
    x.bound = false;
    x.hasRow = false;
    x.boundBackend = null;
    x.untouched = false;
    x.rotatedAway = false;
    return this.#find(x, runtime, gate, Date.now());
  }

  /**
   * Waits for what the store says of the session (`Exchange.asked`): only about keys that this node does not know. It
   * settles soon, also when nobody answers.
   * @param found called when the session is known
   */
  ask(x: Exchange, runtime: PoolRuntime, gate: Gate, found: () => void): void {
    const { serial } = x;
    const { table, requester } = this.#parts;
    const key = new Key();
    key.copy(x.found.key);
    void x.asked!.then((claim) => {
      if (x.serial !== serial || !x.active) {
        if (claim === Claim.made) this.#giveBack(key, runtime);
        return;
      }
      gate.late(x, serial, () => {
        requester.client = x.client.address;
        const search = answered(x, runtime, table, claim, Date.now());
        if (search === Search.done) return found();
        const said = this.#outcome(x, runtime, gate, search);
        if (said === null) gate.found(x, serial);
        else if (said !== WAIT) gate.turnAway(x, serial, said);
      });
    });
    x.asked = null;
  }

  #find(x: Exchange, runtime: PoolRuntime, gate: Gate, now: number): ErrorKind | typeof WAIT | null {
    const { table, store, requester } = this.#parts;
    requester.client = x.client.address;
    const search = findSession(x, gate.head(x), runtime, table, store, now);
    if (x.mismatch !== '') this.#noteMismatch(x, runtime);
    return search === Search.done ? null : this.#outcome(x, runtime, gate, search);
  }

  /** Off the usual path. */
  #outcome(x: Exchange, runtime: PoolRuntime, gate: Gate, search: Search): ErrorKind | typeof WAIT | null {
    const { serial } = x;
    switch (search) {
      case Search.rejected:
        return ERRORS.UNAUTHORIZED;
      case Search.unavailable:
        return ERRORS.KEYS_DOWN;
      case Search.refused:
        return ERRORS.STORE_DOWN;
      case Search.foreign:
        return ERRORS.BINDING_MISMATCH;
      case Search.restart:
        return this.again(x, runtime, gate);
      case Search.awaitStore:
        this.ask(x, runtime, gate, () => gate.found(x, serial));
        return WAIT;
      default:
        void (x.found.wait ?? Promise.resolve()).then(() => gate.searchAgain(x, serial));
        return WAIT;
    }
  }

  /** The client has left before its session was made: nobody needs it. */
  #giveBack(key: Key, { pool }: PoolRuntime): void {
    const row = new Row();
    const { table, store } = this.#parts;
    if (table.peek(key, Date.now(), row) === Lookup.LIVE) store.release(key, pool, row.backend);
  }

  /** Its session is bound to another client: counted and noted, whatever becomes of the request. */
  #noteMismatch(x: Exchange, { pool, binding }: PoolRuntime): void {
    const key = x.mismatch;
    const { mode, names } = binding!;
    x.mismatch = '';
    this.#parts.labelled.add('limpet_binding_mismatches_total', pool.name, mode);
    this.#parts.log.warn(
      { pool: pool.name, session: key, client: x.client.address, bindTo: names, action: mode },
      'a session was used by another client than the one that it is bound to',
    );
    const { row } = x;
    this.#parts.journal()?.note({
      event: 'binding-mismatch',
      time: x.foundAt,
      key,
      pool: pool.name,
      backend: pool.bySlot[row.backend]?.id ?? '',
      from: '',
      reason: mode,
      userA: row.userA,
      userB: row.userB,
      client: x.client.address,
    });
  }
}

/** Which session it is of: its keys, and whether that session is bound to this client. */
export const SESSION: StepKind = { name: 'session', make: ({ session }) => session, look: null };
