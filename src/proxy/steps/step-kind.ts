import type { ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import type { Logger } from '../../logging/logger.ts';
import type { LabelledCounters } from '../../metrics/labelled-counters.ts';
import type { SessionStore } from '../../sessions/store/store.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import type { TimerWheel } from '../../timing/timer-wheel.ts';
import type { SessionTurns } from '../../turns/session-turns.ts';
import type { ExplainStep } from '../explain/explanation.ts';
import type { AdmissionStep, SessionSearch } from './admission.ts';

/** The parts of a worker that steps are made from. */
interface StepParts {
  readonly wheel: TimerWheel;
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly turns: SessionTurns;
  readonly labelled: LabelledCounters;
  readonly log: Logger;
  /** The step that finds sessions, which the handler asks for more than a step does. */
  readonly session: SessionSearch;
  /** The step that says whose session it is, which answers are told to as well. */
  readonly users: AdmissionStep;
}

/** What a step would do to a request, told for people. `error` null: it would let the request through. */
export interface Looked {
  readonly step: ExplainStep;
  readonly error: ErrorKind | null;
}

/**
 * Says what a step would do to a request, without taking a token or a turn. Null: the pool and the route do not ask for
 * the step.
 * @param ahead how many requests of a session have their turn or wait for it
 */
export type Look = (x: Exchange, runtime: PoolRuntime, head: Head, ahead: (key: Key) => number) => Looked | null;

/** A step that requests pass, as REQUEST_STEPS lists it: how it is made for a worker, and how it is explained. */
export interface StepKind {
  readonly name: string;
  /** Makes the step for a worker, once. */
  make(parts: StepParts): AdmissionStep;
  /** Null: the search for the session, which explain goes through itself. */
  readonly look: Look | null;
}
