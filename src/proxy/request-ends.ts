import type { Backend } from '../backends/backend.ts';
import type { ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import type { Head } from '../http1/head.ts';

/** Takes requests over from the handler, whose sequence (handler.ts) ends each time in one of these calls. */
export interface RequestEnds {
  /**
   * A backend was chosen.
   * @param retryReason for the metric; '' for a first attempt
   */
  begin(x: Exchange, runtime: PoolRuntime, backend: Backend, retryReason: string): void;
  /**
   * No backend can take it.
   * @param ended with SESSION_LOST: its session was there until now
   */
  unserved(x: Exchange, kind: ErrorKind, ended: boolean): void;
  /** It is refused. */
  answer(x: Exchange, kind: ErrorKind): void;
  /** It has come as far as it may go (`Max-Forwards: 0`). */
  answerHere(x: Exchange, head: Head): void;
  /** Something that cannot happen happened. */
  defect(x: Exchange, error: unknown): void;
}
