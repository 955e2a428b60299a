import type { AdminState, Health } from '../backends/shared-state.ts';
import type { MovePlan } from '../balancing/planned-moves.ts';
import type { ConfigChange } from '../config/diff.ts';
import type { ErrorCode } from '../errors.ts';
import type { ExplainQuery, Explanation } from '../proxy/explain/explanation.ts';
import type { EventStream } from './events/event-stream.ts';
import type { Mistake } from './problem.ts';

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
  /** Null: the configuration was not read again since the start. */
  readonly lastReload: LastReloadView | null;
  readonly store: StoreView;
}

/** How the latest reload went, whatever asked for it. */
export interface LastReloadView {
  readonly at: string;
  /** False: the file was refused, and everything is as before. */
  readonly ok: boolean;
  /** Keys that changed. */
  readonly changes: number;
  /** Mistakes that the file was refused for. */
  readonly errors: number;
}

/** Where sessions are kept besides this process. */
export interface StoreView {
  readonly type: 'memory' | 'redis';
  /** False: it does not answer, and limpet goes on by itself. The memory is always up. */
  readonly up: boolean;
  /** When it came up or went down. */
  readonly since: string;
  /** Changes that it has not been told yet. */
  readonly pending: number;
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
  /** True: it is not in the configuration any more, and goes when its last session and request have ended. */
  readonly departing: boolean;
  /** True: discovery has found it, and it does not stand in the file. */
  readonly discovered: boolean;
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
  /** Which life of its process this is, as far as limpet knows: one more with each restart. */
  readonly life: number;
  /** When that began; null: before limpet knew the backend. */
  readonly lifeBegan: string | null;
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
  /** Name of a user. */
  readonly user?: string;
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

export interface ReloadView {
  /** Of the configuration that runs now. */
  readonly generation: number;
  /** Empty: the file says what it said before. */
  readonly changes: readonly ConfigChange[];
  /** What is allowed and most likely not meant. */
  readonly warnings: readonly string[];
}

/** What to imagine: a backend (`POOL/ID`) that is gone, or whose process was restarted, or another configuration as YAML text. */
export type SimulationQuery = { readonly drain: string } | { readonly restarted: string } | { readonly config: string };

export interface SimulationView extends MovePlan {
  /** What the other configuration changes. */
  readonly changes?: readonly ConfigChange[];
}

export interface EvacuationView {
  readonly moved: number;
  /** Sessions that no other backend can take, or that may not move (`onLost: reject`): they are where they were. */
  readonly stayed: number;
}

/** A wish that cannot be granted: the HTTP status that says so, and one sentence that says why and what to do. */
export interface Refused {
  readonly ok: false;
  readonly status: 400 | 404 | 409 | 422;
  readonly detail: string;
  /** Of a configuration: each mistake. */
  readonly errors?: readonly Mistake[];
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
  /** Reads the configuration file again: all of it is taken over, or nothing (422). A second call waits for the first. */
  reload(): Promise<Result<ReloadView>>;
  /** Which sessions would move, and where to. Changes nothing. */
  simulate(query: SimulationQuery): Promise<Result<SimulationView>>;
  /** What a request would get, step by step and why; 400: it cannot be a request. Sends nothing and changes nothing. */
  explain(query: ExplainQuery): Promise<Result<Explanation>>;
  /** Moves the sessions of a backend that gets no new ones to where they would go if it failed. */
  evacuate(pool: string, backend: string): Promise<Result<EvacuationView>>;
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}
