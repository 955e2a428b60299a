import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import type { Route } from '../../routing/router.ts';
import { Lookup, type SessionTable } from '../../sessions/table/table.ts';
import type { TimerWheel } from '../../timing/timer-wheel.ts';
import { type SessionTurns, Taken } from '../../turns/session-turns.ts';
import { Turn, type TurnTaker } from '../../turns/turn.ts';
import { spokenTime } from '../explain/spoken-time.ts';
import { followRotation } from '../session/session-changes.ts';
import { goByRow } from '../session/session-claim.ts';
import { type AdmissionStep, type Gate, WAIT } from './admission.ts';
import { passed } from './passed.ts';
import type { Looked, StepKind } from './step-kind.ts';

/**
 * `session.dialog: half-duplex`: a request waits until those of its session that came before it are answered (see
 * SessionTurns). It has the turn until its response is complete, or turns out to be a stream. A session that begins
 * with this very request is known to nobody else: it needs no turn.
 */
class SessionTurn implements AdmissionStep {
  readonly #turns: SessionTurns;
  readonly #table: SessionTable;
  readonly #wheel: TimerWheel;

  constructor(turns: SessionTurns, table: SessionTable, wheel: TimerWheel) {
    this.#turns = turns;
    this.#table = table;
    this.#wheel = wheel;
  }

  isFor(_route: Route, { pool }: PoolRuntime): boolean {
    return pool.config.session.dialog === 'half-duplex';
  }

  enter(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null {
    const { pool } = runtime;
    const { dialogQueue } = pool.config.session;
    if (x.strategy === null || x.fresh) {
      this.leave(x);
      return null;
    }
    // One for each connection that ever needs one.
    if (x.turn === null) x.turn = new Turn(new Waiting(x, this, gate));
    else if (x.turn.node !== 0) {
      // It comes back, because its session is another one by now.
      if (this.#turns.isOf(x.turn, x.found.key)) return null;
      this.#turns.leave(x.turn);
    }
    const deadline = this.#wheel.at(dialogQueue.wait);
    const taken = this.#turns.take(x.turn, x.found.key, pool.index, dialogQueue.max, deadline);
    if (taken === Taken.full) return ERRORS.DIALOG_QUEUE_FULL;
    return taken === Taken.waits ? WAIT : null;
  }

  onStream(x: Exchange): void {
    this.leave(x);
  }

  /** The session has another id, and goes on under that one: so do the turns. */
  onRotated(x: Exchange): void {
    if (x.turn !== null) this.#turns.rename(x.turn, x.found.key);
  }

  leave(x: Exchange): void {
    if (x.turn !== null) this.#turns.leave(x.turn);
  }

  /**
   * It has waited, and has its turn: its session may have moved, ended or been given another id meanwhile. Never
   * throws.
   */
  arrive(x: Exchange, gate: Gate): void {
    const { serial } = x;
    let same = false;
    try {
      same = this.#follow(x);
      // Its session was given another id elsewhere, and takes its turns under that one.
      if (same && !this.#turns.isOf(x.turn!, x.found.key)) return this.#join(x, gate);
    } catch {
      // A lock of a thread that has died: the search for the session says what comes of that.
      same = false;
    }
    if (same) return gate.resume(x, serial);
    this.leave(x);
    gate.searchAgain(x, serial);
  }

  /**
   * Brings what the request knows of its session up to date. It was counted when it came. False: it has to be found
   * again.
   */
  #follow(x: Exchange): boolean {
    const now = Date.now();
    let found = this.#table.peek(x.found.key, now, x.row);
    // What its cookie proves, or a key that nobody has claimed: as before.
    if (!x.hasRow) return found === Lookup.NONE;
    if (found === Lookup.ENDED && followRotation(x, this.#table)) found = this.#table.peek(x.found.key, now, x.row);
    if (found !== Lookup.LIVE || x.row.pending) return false;
    x.createdAt = x.row.created;
    goByRow(x, x.runtime!);
    return true;
  }

  #join(x: Exchange, gate: Gate): void {
    const turn = x.turn!;
    const { pool } = x.runtime!;
    this.#turns.leave(turn);
    const taken = this.#turns.take(turn, x.found.key, pool.index, pool.config.session.dialogQueue.max, turn.deadline);
    if (taken === Taken.now) gate.resume(x, x.serial);
    else if (taken === Taken.full) gate.turnAway(x, x.serial, ERRORS.DIALOG_QUEUE_FULL);
  }
}

/** One connection's request, as the one that waits. */
class Waiting implements TurnTaker {
  readonly #x: Exchange;
  readonly #step: SessionTurn;
  readonly #gate: Gate;

  constructor(x: Exchange, step: SessionTurn, gate: Gate) {
    this.#x = x;
    this.#step = step;
    this.#gate = gate;
  }

  onTurn(): void {
    this.#step.arrive(this.#x, this.#gate);
  }

  onTurnTimeout(): void {
    this.#gate.turnAway(this.#x, this.#x.serial, ERRORS.DIALOG_TIMEOUT);
  }
}

/** `session.dialog: half-duplex`. */
export const TURN: StepKind = {
  name: 'turn',
  make: ({ turns, table, wheel }) => new SessionTurn(turns, table, wheel),
  look,
};

function look(x: Exchange, { pool }: PoolRuntime, _head: Head, ahead: (key: Key) => number): Looked | null {
  const { dialog, dialogQueue } = pool.config.session;
  if (dialog !== 'half-duplex') return null;
  if (x.strategy === null || x.fresh)
    return passed('dialog', 'at once', 'A new session has no other requests to wait for.');
  const before = ahead(x.found.key);
  if (before === 0) return passed('dialog', 'at once', 'No other request of the session is under way.');
  if (before > dialogQueue.max) {
    const detail = `${before} requests of the session are under way or wait, and at most ${dialogQueue.max} may wait.`;
    return { step: { step: 'dialog', outcome: 'refused', detail }, error: ERRORS.DIALOG_QUEUE_FULL };
  }
  return passed(
    'dialog',
    'waits',
    `It waits for ${before} request${before === 1 ? '' : 's'} of its session, for at most ${spokenTime(dialogQueue.wait)}.`,
  );
}
