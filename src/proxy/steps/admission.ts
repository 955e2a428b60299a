import type { ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import type { Route } from '../../routing/router.ts';

/** A step has not decided yet: it calls one of the methods of Gate when it has. */
export const WAIT = 'wait';

/**
 * Where a step that waited says how it goes on. Each checks that the exchange still serves the request of this
 * `serial`.
 */
export interface Gate {
  /** Go on with the next step. */
  resume(x: Exchange, serial: number): void;
  /** Refuse the request. */
  turnAway(x: Exchange, serial: number, kind: ErrorKind): void;
  /** Come to this step once more. */
  again(x: Exchange, serial: number): void;
  /** The head of the request; valid until another one is parsed. */
  head(x: Exchange): Head;
  /** The session is gone or another one by now: find it again, then come back to this step. */
  searchAgain(x: Exchange, serial: number): void;
  /**
   * The session was found after all: go on behind the step that finds it, or come back to the one that had it found
   * again.
   */
  found(x: Exchange, serial: number): void;
  /** When the request came, ms since epoch. */
  now(x: Exchange): number;
  /** Does this unless the exchange serves another request by now. */
  late(x: Exchange, serial: number, work: () => void): void;
}

/** A step between the route of a request and its backend, see REQUEST_STEPS. */
export interface AdmissionStep {
  /** Whether it has anything to do for requests of this route. Asked once for each route, not for each request. */
  isFor(route: Route, runtime: PoolRuntime): boolean;
  /** Null: go on. An error: refuse with it. */
  enter(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null;
  /** The response turns out to be a stream that may last for hours: an upgrade or an event stream. */
  onStream?(x: Exchange): void;
  /** Its session has been given another id by its own response: `x.found.key` is the new one. */
  onRotated?(x: Exchange, from: Key): void;
  /**
   * The request has ended, whatever became of it, or its client has left. Called once for each request of a pool that
   * is guarded.
   */
  leave?(x: Exchange): void;
}

/** The step that finds the session of a request, with what it can be asked for later. */
export interface SessionSearch extends AdmissionStep {
  /** Finds it once more, as if the request had just come to this step. Goes on by `Gate.found` when it has waited. */
  again(x: Exchange, runtime: PoolRuntime, gate: Gate): ErrorKind | typeof WAIT | null;
  /**
   * Waits for what the store says of it (`Exchange.asked`).
   * @param found called when the session is known
   */
  ask(x: Exchange, runtime: PoolRuntime, gate: Gate, found: () => void): void;
}
