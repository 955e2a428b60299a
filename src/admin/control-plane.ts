import type { AdminState, Health } from '../backends/shared-state.ts';
import type { ErrorCode } from '../errors.ts';

/** Whether limpet takes traffic. */
export type Phase = 'starting' | 'ready' | 'stopping';

/** What the running limpet says of itself. Times are ISO 8601 in UTC. */
export interface StatusView {
  readonly version: string;
  readonly state: Phase;
  readonly startedAt: string;
  /** Seconds since the start. */
  readonly uptime: number;
  /** Threads that carry traffic right now. */
  readonly workers: number;
  /** Workers that ended unexpectedly and were started again. */
  readonly workerRestarts: number;
  readonly listeners: readonly ListenerView[];
  /** Live sessions. */
  readonly sessions: number;
  /** Requests since the start. */
  readonly requests: number;
  readonly activeRequests: number;
  /** 1 at the start, one more with each reload. */
  readonly configGeneration: number;
}

export interface ListenerView {
  /** As configured. */
  readonly bind: string;
  /** Where it really listens: the port that a configured port of 0 became. */
  readonly address: string;
  /** Open client connections. */
  readonly connections: number;
}

export interface PoolView {
  readonly name: string;
  readonly balance: string;
  readonly sessions: number;
  readonly backends: readonly BackendView[];
}

export interface BackendView {
  readonly id: string;
  readonly url: string;
  /** What the operator wants. */
  readonly state: AdminState;
  /** What probes and traffic say; a backend that traffic took out for a while is down. */
  readonly health: Health;
  readonly weight: number;
  readonly activeRequests: number;
  readonly sessions: number;
  readonly requests: number;
  /** Attempts that failed. */
  readonly failures: number;
  /** Moving average to the response headers in ms; null: not measured yet. */
  readonly latency: number | null;
  /** When state or health changed last. */
  readonly lastChange: string;
  readonly lastError: ErrorCode | null;
}

export interface SessionView {
  /** Public id of the row, never what the client sends. */
  readonly key: string;
  readonly pool: string;
  /** Null: the backend is not in the configuration any more. */
  readonly backend: string | null;
  readonly created: string;
  readonly lastSeen: string;
  /** When it expires if no request comes. */
  readonly idleExpiresAt: string;
  /** When it ends, whatever comes. */
  readonly endsAt: string;
  readonly requests: number;
  /** Where the key was found, as in `affinity`. */
  readonly by: string;
  /** Whose session it is; null: not known. */
  readonly user: string | null;
  readonly moves: number;
}

/** Which sessions to list. */
export interface SessionQuery {
  /** Name of a pool. */
  readonly pool?: string;
  /** Id of a backend. */
  readonly backend?: string;
  /** At most this many, from 1. */
  readonly limit: number;
  /** Of the page before. */
  readonly cursor?: string;
}

export interface SessionPage {
  readonly sessions: readonly SessionView[];
  /** For the next page; null: this was the last one. */
  readonly cursor: string | null;
}

/** What to change of a backend; what is left out stays. */
export interface BackendPatch {
  readonly state?: AdminState | undefined;
  readonly weight?: number | undefined;
}

/** A wish that cannot be granted: the HTTP status that says so, and one sentence that says why and what to do. */
export interface Refused {
  readonly ok: false;
  readonly status: 400 | 404 | 409;
  readonly detail: string;
}

export type Result<T> = { readonly ok: true; readonly value: T } | Refused;

/** The running limpet as the admin API sees it. Looking never touches a session (behaviour 20). */
export interface ControlPlane {
  ready(): Phase;
  status(): StatusView;
  pools(): readonly PoolView[];
  pool(name: string): Result<PoolView>;
  patchBackend(pool: string, id: string, patch: BackendPatch): Result<BackendView>;
  sessions(query: SessionQuery): Promise<Result<SessionPage>>;
  session(key: string): Result<SessionView>;
  /** The session ends now, and its key stays refused until its cookie could not be valid any more (behaviour 24). */
  endSession(key: string): Result<null>;
  /** Binds a session to another backend of its pool; the next request tells the application. */
  moveSession(key: string, backend: string): Result<SessionView>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}
