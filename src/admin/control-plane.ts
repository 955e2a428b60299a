import type * as z from 'zod';
import type { AdminState } from '../backends/shared-state.ts';
import type { ExplainQuery, Explanation } from '../proxy/explain/explanation.ts';
import type { EventStream } from './events/event-stream.ts';
import type { Mistake } from './problem.ts';
import type * as views from './view-schemas.ts';

/** Whether limpet takes traffic. */
export type Phase = 'starting' | 'ready' | 'stopping';

/** What the running limpet says of itself. */
export type StatusView = z.output<typeof views.statusSchema>;
/** A pool with its backends. */
export type PoolView = z.output<typeof views.poolSchema>;
/** A backend, as it is now. */
export type BackendView = z.output<typeof views.backendSchema>;
/** A session. */
export type SessionView = z.output<typeof views.sessionSchema>;
/** A part of the list of sessions. */
export type SessionPage = z.output<typeof views.sessionPageSchema>;
/** How sessions ended. */
export type SessionEndsView = z.output<typeof views.sessionEndsSchema>;
/** What a reload has done. */
export type ReloadView = z.output<typeof views.reloadSchema>;
/** Which sessions would move, and where to. */
export type SimulationView = z.output<typeof views.simulationSchema>;
/** What became of the sessions of a backend. */
export type EvacuationView = z.output<typeof views.evacuationSchema>;

/** Which sessions to list. */
export interface SessionQuery {
  /** Name of a pool. */
  readonly pool?: string;
  /** Id of a backend. */
  readonly backend?: string;
  /** Name of a user. */
  readonly user?: string;
  /** At most this many, from 1. */
  readonly limit: number;
  /** Of the page before. */
  readonly cursor?: string;
}

/** What to change of a backend; what is left out stays. */
export interface BackendPatch {
  readonly state?: AdminState | undefined;
  readonly weight?: number | undefined;
}

/** What to imagine: a backend (`POOL/ID`) that is gone or whose process was restarted, or another file as YAML text. */
export type SimulationQuery = { readonly drain: string } | { readonly restarted: string } | { readonly config: string };

/** A wish that cannot be granted: the HTTP status that says so, and one sentence that says why and what to do. */
export interface Refused {
  readonly ok: false;
  readonly status: 400 | 404 | 409 | 422;
  readonly detail: string;
  /** Of a configuration: each mistake. */
  readonly errors?: readonly Mistake[];
}

/** Which ends of sessions are asked for. */
export interface EndsQuery {
  readonly limit: number;
  readonly key?: string;
  readonly user?: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | Refused;

/** The running limpet as the admin API sees it. Looking never touches a session (behaviour 20). */
export interface ControlPlane {
  /** What happens, for those who listen. */
  readonly events: EventStream;
  ready(): Phase;
  /** Why limpet takes no traffic, or not all of it, although it runs: ends of a sentence; none: it does. */
  unready(): readonly string[];
  status(): StatusView;
  pools(): readonly PoolView[];
  pool(name: string): Result<PoolView>;
  patchBackend(pool: string, id: string, patch: BackendPatch): Result<BackendView>;
  /** The process of a backend was restarted: its sessions move to a replica that has their state (behaviour 114). */
  backendRestarted(pool: string, id: string): Result<BackendView>;
  sessions(query: SessionQuery): Promise<Result<SessionPage>>;
  session(key: string): Promise<Result<SessionView>>;
  /** The session ends now, and its key stays refused until its cookie could not be valid any more (behaviour 24). */
  endSession(key: string): Promise<Result<null>>;
  /** Binds a session to another backend of its pool; the next request tells the application. */
  moveSession(key: string, backend: string): Promise<Result<SessionView>>;
  /** How sessions ended, the latest first. */
  ends(query: EndsQuery): SessionEndsView;
  /** Reads the configuration file again: takes all of it over, or nothing (422). A second call waits for the first. */
  reload(): Promise<Result<ReloadView>>;
  /** Which sessions would move, and where to. Changes nothing. */
  simulate(query: SimulationQuery): Promise<Result<SimulationView>>;
  /** What a request would get, step by step and why; 400: it cannot be a request. Sends nothing and changes nothing. */
  explain(query: ExplainQuery): Promise<Result<Explanation>>;
  /** Moves the sessions of a backend that gets no new ones to where they would go if it failed. */
  evacuate(pool: string, backend: string): Promise<Result<EvacuationView>>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}
