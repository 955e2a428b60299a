import type { Backend } from '../backends/backend.ts';
import type { ErrorKind } from '../errors.ts';
import type { Framing, Head } from '../http1/head.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import type { Attempt } from './attempt.ts';
import type { Exchange } from './exchange.ts';
import type { PlaceEvents } from './place-events.ts';
import type { Stage } from './stage.ts';

/**
 * What connections report to the one who sent them off, and what they need from it. The handler of the data path
 * implements it.
 */
export interface AttemptEvents extends PlaceEvents<Exchange> {
  readonly wheel: TimerWheel;
  /** Scratch for a response head; valid until the next one is parsed. */
  responseHead(): Head;

  /** A 1xx response other than 101. */
  onInterim(x: Exchange, head: Head): void;
  /** The head of the final response. False: it is not used, and the connection is given up. */
  onResponse(x: Exchange, attempt: Attempt, head: Head, framing: Framing): boolean;
  /** The backend agreed to switch protocols. False: as above. */
  onSwitch(x: Exchange, attempt: Attempt, head: Head): boolean;
  /** The response is whole. */
  onComplete(x: Exchange): void;
  /** The attempt failed; `stage` is a value of Stage, `race` the keep-alive race of behaviour 30. */
  onFailure(x: Exchange, stage: Stage, kind: ErrorKind, why: string, race: boolean): void;
  /**
   * The attempt ended before it began: its turn to connect did not come in time, or (`timedOut` false) the backend was
   * taken out before.
   */
  onNoTurn(x: Exchange, timedOut: boolean): void;
  /** A tunnel is over: one of its connections has closed, and the other one is being closed. */
  onTunnelClosed(x: Exchange): void;
  /** Something that cannot happen happened. */
  defect(x: Exchange | null, error: unknown): void;

  /** Whether requests may go to it at this moment. */
  isUsable(backend: Backend): boolean;
}
