import type { Backend } from '../../backends/backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import { HeaderId } from '../../http1/header-id.ts';
import { Key } from '../../keys/key.ts';
import type { Logger } from '../../logging/logger.ts';
import type { SessionJournal } from '../../logging/session-journal.ts';
import type { LabelledCounters } from '../../metrics/labelled-counters.ts';
import { Outcome } from '../../metrics/outcomes.ts';
import { SessionChange } from '../../routing/session-triggers.ts';
import type { SessionStore } from '../../sessions/store/store.ts';
import { MoveReason } from '../../sessions/table/move-reasons.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { keepAccuser } from '../blame.ts';
import type { AdmissionStep } from '../steps/admission.ts';
import type { SessionUser } from '../steps/session-user.ts';
import { noteMove } from './note-move.ts';
import { changeAsked, endSession, followRotation, rotateSession } from './session-changes.ts';
import { confirm } from './session-confirm.ts';

/** What SessionAnswer is made from. */
interface SessionAnswerParts {
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly users: SessionUser;
  /** What requests of guarded pools are told of, when their session has another id. */
  readonly steps: readonly AdmissionStep[];
  /** Null: the audit log is off. */
  readonly journal: () => SessionJournal | null;
  readonly requester: { client: string };
  readonly labelled: LabelledCounters;
  readonly log: Logger;
}

/**
 * Does to the session of a request what its response says: it is confirmed where it is, moves, ends, gets another id or
 * another user.
 */
export class SessionAnswer {
  readonly #parts: SessionAnswerParts;
  /** Scratch. */
  readonly #former = new Key();

  constructor(parts: SessionAnswerParts) {
    this.#parts = parts;
  }

  /**
   * @returns the `Set-Cookie` line for the client, or ''; null: the session's user may have no other one, the response
   * is not used
   */
  take(x: Exchange, head: Head, backend: Backend, runtime: PoolRuntime): string | null {
    if (!x.route!.sticky || runtime.strategies.length === 0) return '';
    const moved = x.bound && x.boundBackend !== backend;
    const { table, store, requester } = this.#parts;
    requester.client = x.client.address;
    const setCookie = confirm(x, head, backend, runtime, table, store, this.#parts.journal);
    if (moved) {
      x.outcome = x.moveReason === MoveReason.failback ? Outcome.returned : Outcome.moved;
      noteMove(x, x.boundBackend, backend, this.#parts);
    }
    x.claimed = false;
    const change = changeAsked(x, head, runtime);
    if (change === SessionChange.none && x.user === null && !head.has(HeaderId.limpetUser)) return setCookie;
    return this.#change(x, head, backend, runtime, change, setCookie);
  }

  #change(
    x: Exchange,
    head: Head,
    backend: Backend,
    runtime: PoolRuntime,
    change: number,
    setCookie: string,
  ): string | null {
    const { table, store, users } = this.#parts;
    const journal = this.#parts.journal();
    // What a response asks of its session is done to the session as it is now.
    const asks = change !== SessionChange.none || head.has(HeaderId.limpetUser);
    if (asks && x.strategy !== null && !x.fresh) followRotation(x, table);
    if (change === SessionChange.end) {
      const reason = head.has(HeaderId.limpetSession) ? 'application' : 'path';
      return endSession(x, runtime, store, journal, reason, Date.now());
    }
    // A request with an id that was rotated away may end the session, but not make it somebody else's.
    const named = x.user !== null || head.has(HeaderId.limpetUser);
    if (named && !x.rotatedAway && users.confirm(x, head, runtime) !== null) return null;
    if (change !== SessionChange.rotate) return setCookie;
    this.#former.copy(x.found.key);
    const line = rotateSession(x, runtime, table, store, journal, setCookie, Date.now());
    if (line !== '' && line !== setCookie) {
      keepAccuser(x, this.#former, backend, runtime);
      if (runtime.guarded) for (const step of this.#parts.steps) step.onRotated?.(x, this.#former);
    }
    return line;
  }
}
