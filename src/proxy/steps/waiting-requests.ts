import type { ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Head } from '../../http1/head.ts';
import type { WallClock } from '../../timing/wall-clock.ts';
import type { RequestEnds } from '../request-ends.ts';
import type { RequestHeads } from '../request-heads.ts';
import { type Gate, type SessionSearch, WAIT } from './admission.ts';

/** The sequence that requests come back to, see Handler. */
export interface Sequence {
  /** Goes on with the step at this place of the request's list. */
  passFrom(x: Exchange, place: number): void;
  /**
   * Goes on behind the step that finds sessions, or with the step that the request had come to where that lies further
   * on.
   */
  passWithSession(x: Exchange): void;
}

/** What WaitingRequests is made from. */
interface WaitingParts {
  readonly sequence: Sequence;
  readonly session: SessionSearch;
  readonly heads: Pick<RequestHeads, 'head'>;
  readonly clock: Pick<WallClock, 'at'>;
  readonly ends: RequestEnds;
}

/**
 * Brings requests back that have waited in one of their steps: for keys, for the store that nodes share, for their
 * turn. Off the usual path.
 */
export class WaitingRequests implements Gate {
  readonly #parts: WaitingParts;

  constructor(parts: WaitingParts) {
    this.#parts = parts;
  }

  resume(x: Exchange, serial: number): void {
    this.late(x, serial, () => this.#parts.sequence.passFrom(x, x.step + 1));
  }

  turnAway(x: Exchange, serial: number, kind: ErrorKind): void {
    this.late(x, serial, () => this.#parts.ends.answer(x, kind));
  }

  again(x: Exchange, serial: number): void {
    this.late(x, serial, () => this.#parts.sequence.passFrom(x, x.step));
  }

  searchAgain(x: Exchange, serial: number): void {
    this.late(x, serial, () => this.searchNow(x));
  }

  found(x: Exchange, serial: number): void {
    this.late(x, serial, () => this.#parts.sequence.passWithSession(x));
  }

  head(x: Exchange): Head {
    return this.#parts.heads.head(x);
  }

  now(x: Exchange): number {
    return Math.floor(this.#parts.clock.at(x.startedAt));
  }

  late(x: Exchange, serial: number, work: () => void): void {
    if (x.serial !== serial || !x.active) return;
    try {
      work();
    } catch (error) {
      this.#parts.ends.defect(x, error);
    }
  }

  /** What was known of the request's session does not hold any more: finds it again, then goes on. */
  searchNow(x: Exchange): void {
    const { session, sequence, ends } = this.#parts;
    const said = session.again(x, x.runtime!, this);
    if (said === null) sequence.passWithSession(x);
    else if (said !== WAIT) ends.answer(x, said);
  }
}
