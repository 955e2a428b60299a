/** A request that takes turns with others of its session. Its owner is called back when it had to wait. */
export interface TurnTaker {
  /** It has the turn now: call `SessionTurns.leave` when it needs it no longer. */
  onTurn(): void;
  /** It has waited too long, and waits no longer. */
  onTurnTimeout(): void;
}

/** The turn of one request. One object for each exchange, used again and again; written by SessionTurns only. */
export class Turn {
  readonly taker: TurnTaker;
  /** Its node in shared memory; 0: it neither has the turn nor waits for it. */
  node = 0;
  /** Its place among those that wait in this worker; -1: it does not wait. */
  slot = -1;
  /** When it gives up, in ms of the clock that `SessionTurns.tick` is called with. */
  deadline = 0;

  constructor(taker: TurnTaker) {
    this.taker = taker;
  }

  get waits(): boolean {
    return this.slot >= 0;
  }
}
