import { boundBackend } from '../../backends/bound-backend.ts';
import type { Pool } from '../../backends/pool.ts';
import { format } from '../../keys/public-id.ts';
import type { SessionEvent, SessionJournal } from '../../logging/session-journal.ts';
import { MOVE_REASONS } from '../table/move-reasons.ts';
import type { Departure, RowObserver } from '../table/row-observer.ts';
import type { RowRecord } from '../table/row-record.ts';

/** Notes in the journal what becomes of the rows of the session table. */
export class SessionEvents implements RowObserver {
  /** Address of the client whose request is worked on; empty when it is none. */
  client = '';
  endsOnly = false;
  readonly #journal: SessionJournal;
  readonly #poolAt: (index: number) => Pool | undefined;
  readonly #now: () => number;

  /**
   * @param poolAt the pool with this index, as it is now
   * @param now wall clock, ms since epoch
   */
  constructor(journal: SessionJournal, poolAt: (index: number) => Pool | undefined, now: () => number) {
    this.#journal = journal;
    this.#poolAt = poolAt;
    this.#now = now;
  }

  began(session: RowRecord): void {
    this.#note('created', session, '', '', this.client);
  }

  adopted(session: RowRecord): void {
    this.#note('adopted', session, '', '', this.client);
  }

  moved(session: RowRecord, slot: number, generation: number, reason: number): void {
    const from = backendId(this.#poolAt(session.pool), slot, generation);
    this.#note('moved', session, from, MOVE_REASONS[reason]!, this.client);
  }

  gone(session: RowRecord, why: Departure, asked: boolean): void {
    const client = asked ? this.client : '';
    if (why === 'evicted') this.#note('evicted', session, '', '', client);
    else this.#note('expired', session, '', why, client);
  }

  #note(event: SessionEvent['event'], session: RowRecord, from: string, reason: string, client: string): void {
    const pool = this.#poolAt(session.pool);
    this.#journal.note({
      event,
      time: this.#now(),
      key: format(session.key),
      pool: pool?.name ?? '',
      backend: backendId(pool, session.backend, session.generation),
      from,
      reason,
      userA: session.userA,
      userB: session.userB,
      client,
    });
  }
}

/** Empty: it is not in the pool any more. */
function backendId(pool: Pool | undefined, slot: number, generation: number): string {
  const backend = pool === undefined ? null : boundBackend(pool, { backend: slot, generation });
  return backend?.id ?? '';
}
