import { type AffinityStrategy, FoundKey } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { Waiter } from '../backends/waiter.ts';
import type { ErrorKind } from '../errors.ts';
import type { Head } from '../http1/head.ts';
import { PublicId } from '../keys/public-id.ts';
import { Outcome } from '../metrics/outcomes.ts';
import type { Route } from '../routing/router.ts';
import type { Claim } from '../sessions/store/store.ts';
import { Row } from '../sessions/table/row.ts';
import type { User } from '../sessions/users/user-hash.ts';
import type { RequestTrace } from '../tracing/request-trace.ts';
import type { Turn } from '../turns/turn.ts';
import type { Attempt } from './attempt.ts';
import type { ClientSide } from './client-side.ts';
import type { DialRequest } from './dial-request.ts';
import type { OwnedConnections } from './owned-connections.ts';
import type { PlaceEvents } from './place-events.ts';
import type { PoolRuntime } from './pool-runtime.ts';
import type { Resumption } from './resumption.ts';

/** Begin of the line with the request's id. */
export const REQUEST_ID = 'X-Request-Id: ';

/**
 * One request and its response, from the client's first byte to its last. One object per client connection, used again
 * and again.
 */
export class Exchange implements Waiter, DialRequest {
  readonly client: ClientSide;
  readonly #handler: PlaceEvents<Exchange>;

  // The request as it came.
  /** Head as latin1 text; parsed again for each attempt after the first. */
  text = '';
  method = '';
  minor = 1;
  /** May be sent twice (RFC 9110 9.2.2), by its method or its Idempotency-Key. */
  idempotent = false;
  /** Name of the protocol the client wants to switch to; '' when none. */
  upgrade = '';
  /** Waits for 100 Continue before its body comes. */
  expectsContinue = false;
  /** The client has been sent a 100. */
  continued = false;
  /** Its response is a stream of events that its client asks for again when it breaks off. */
  endless = false;
  startedAt = 0;
  /** `X-Request-Id` line without its CRLF; '' until the request has been looked at. */
  requestIdLine = '';
  host = '';
  /** Its path without query is `text[pathStart, pathEnd)`; `/` when that is empty. */
  pathStart = 0;
  pathEnd = 0;
  bytesIn = 0;
  /** Its place in a trace; null: nothing is traced. */
  trace: RequestTrace | null = null;

  // Its body, in the form in which it goes over the wire to the backend.
  readonly body: Buffer[] = [];
  bodyBytes = 0;
  /** All of the body has been taken in. */
  bodyDone = true;
  /** `body` still holds everything from the first byte on. */
  replayable = true;

  // Its session.
  route: Route | null = null;
  pool: Pool | null = null;
  /** What this worker has of the pool, as it was when the request came; null: no route matched. */
  runtime: PoolRuntime | null = null;
  readonly found = new FoundKey();
  /**
   * What each source of the pool found, by its place, where there are several; `found` is that of the one that decides.
   */
  readonly keys: FoundKey[] = [];
  /**
   * Places, as bits, of keys that are other names of the session, and of those that become so when a backend has
   * answered it.
   */
  names = 0;
  joins = 0;
  /** The store that nodes share has been asked about all keys of the request. */
  recalled = false;
  /** A browser asks whether a request may be made at all: it makes neither session nor cookie. */
  preflight = false;
  /** The request has yet to pass what could refuse it: its session's row does not count it. */
  untouched = false;
  /** The strategy whose key names the session; null: none does. */
  strategy: AffinityStrategy | null = null;
  readonly row = new Row();
  /** It is bound to a backend, by a row or by its cookie. */
  bound = false;
  /** The backend it is bound to; null when it is not bound, or that backend is gone. */
  boundBackend: Backend | null = null;
  /** Stamp of the life of `boundBackend` that has the session's state, see BackendLife. */
  stamp = 0;
  /**
   * When the session was last seen before this request, ms since epoch; Infinity: it has no state yet that could be
   * lost.
   */
  seenAt = Number.POSITIVE_INFINITY;
  /** The stamp that its row is to have when the backend that was chosen answers; -1: that of the moment. */
  bindsTo = -1;
  /** A row stands for the key, and `row` is a copy of it. */
  hasRow = false;
  /** This request made that row and no backend has answered yet. */
  claimed = false;
  /** The key was made by limpet for this request. */
  fresh = false;
  outcome: number = Outcome.none;
  /** Why it was moved: index into MOVE_REASONS. */
  moveReason = 0;
  /** When the session was looked for, ms since epoch. */
  foundAt = 0;
  /** When the session began, ms since epoch. */
  createdAt = 0;
  /** An expired session is told to the application: '', 'idle' or 'lifetime'. */
  expired = '';
  /** Whose session it is, as the request says; null: it does not. */
  user: User | null = null;
  /** A place among the sessions of that user is held for it. */
  userHeld = false;
  /** Names of fields, in lower case, that the backend does not get; null: none. */
  strippedFields: ReadonlySet<string> | null = null;
  /** What the client is, where sessions are bound to that (see SessionBinding): u32; 0: they are not. */
  binding = 0;
  /** Public id of a session that the request named and that is bound to another client; ''. */
  mismatch = '';
  /**
   * The session was given another id while this request was under way: `found.key` is the new one, and the client hears
   * of it by another response.
   */
  rotatedAway = false;
  /** Its response tells what was decided: it came with the admin token. */
  explains = false;
  /** Seconds for `Retry-After` of the answer; 0: those of its kind. */
  retryAfter = 0;
  /**
   * The store's answer about this session, while it is waited for: of the step that has just asked, and of nobody
   * later.
   */
  asked: Promise<Claim> | null = null;
  /** Of the key that a backend was told last: kept from request to request. */
  readonly publicId = new PublicId();

  // What it has to pass before a backend is chosen, see proxy/steps/admission.ts.
  /** Index of the step it is at; -1: it has not come to any. */
  step = -1;
  /** Its turn among the requests of its session; null: this connection has never needed one. */
  turn: Turn | null = null;

  // As an open stream of its session, see proxy/session/open-streams.ts.
  /** Place in the list; -1: it is not there. */
  streamAt = -1;
  /** Bytes in both directions at the last look. */
  streamBytes = 0;
  /** When bytes were last seen, ms since epoch. */
  streamSeenAt = 0;
  /** Since when it is being closed, ms since epoch; 0: it is not. */
  streamEndsAt = 0;

  // Its attempts.
  readonly tried: number[] = [];
  triedCount = 0;
  attempts = 0;
  retrying = false;
  /** The backend of the attempt that is under way. */
  backend: Backend | null = null;
  /** The backend of the last attempt that has ended. */
  lastBackend: Backend | null = null;
  /** Why it failed; null when it did not. */
  lastError: ErrorKind | null = null;
  /** The connection of the attempt that is under way. */
  upstream: Attempt | null = null;
  /** It brings a proof of who is at the other end of its connection (connection-auth.ts). */
  personal = false;
  /**
   * Where there are connections to backends that belong to this client's connection alone; null: nowhere. Not of one
   * request.
   */
  owned: readonly OwnedConnections<DialRequest>[] | null = null;
  /** The last failed attempt was on a connection that had served before (behaviour 30). */
  newConnectionOnly = false;
  attemptStartedAt = 0;
  /**
   * When the head of its response came, by performance.now, while what came with it is looked at: it serves as the
   * present. 0: later.
   */
  answeredAt = 0;

  // Its response.
  status = 0;
  committed = false;
  bytesOut = 0;
  /** What it needs to go on elsewhere when it breaks; null: it does not. */
  resumption: Resumption | null = null;
  error: ErrorKind | null = null;
  /** What was wrong, as the parser or the system has it: one of a closed set of texts; ''. */
  detail = '';
  /** Between the first byte of the request and the end of the response. */
  active = false;
  /** Tells a late answer of an asynchronous step that this object serves another request by now. */
  serial = 0;

  // Its place in the queue of a backend at its maxRequests (see Waiter).
  deadline = 0;
  queuedAt: Backend | null = null;
  queuePrevious: Waiter | null = null;
  queueNext: Waiter | null = null;
  queueTicket = 0;

  constructor(client: ClientSide, handler: PlaceEvents<Exchange>) {
    this.client = client;
    this.#handler = handler;
  }

  onPlace(backend: Backend): void {
    this.#handler.send(this, backend);
  }

  onQueueTimeout(): void {
    this.#handler.queueTimeout(this);
  }

  onBackendGone(): void {
    this.#handler.backendGone(this);
  }

  /** Path without query; '' while there is no request. */
  get path(): string {
    if (this.text === '') return '';
    return this.pathEnd > this.pathStart ? this.text.slice(this.pathStart, this.pathEnd) : '/';
  }

  /** Value of X-Request-Id. */
  get requestId(): string {
    return this.requestIdLine.slice(REQUEST_ID.length);
  }

  /** A request with this head has come. */
  begin(head: Head): void {
    this.reset();
    this.text = head.text;
    this.method = head.method;
    this.minor = head.minor;
    this.host = head.host;
    this.pathStart = head.pathStart;
    this.pathEnd = head.pathEnd;
  }

  /** Back to the state of a request that has just come. */
  reset(): void {
    this.serial++;
    this.idempotent = false;
    this.upgrade = '';
    this.expectsContinue = false;
    this.continued = false;
    this.endless = false;
    this.requestIdLine = '';
    this.bytesIn = 0;
    this.trace = null;
    if (this.body.length > 0) this.body.length = 0;
    this.bodyBytes = 0;
    this.bodyDone = true;
    this.replayable = true;
    this.route = null;
    this.pool = null;
    this.runtime = null;
    this.names = 0;
    this.joins = 0;
    this.recalled = false;
    this.preflight = false;
    this.untouched = false;
    this.strategy = null;
    this.bound = false;
    this.boundBackend = null;
    this.stamp = 0;
    this.seenAt = Number.POSITIVE_INFINITY;
    this.bindsTo = -1;
    this.hasRow = false;
    this.claimed = false;
    this.fresh = false;
    this.outcome = Outcome.none;
    this.moveReason = 0;
    this.createdAt = 0;
    this.expired = '';
    this.user = null;
    this.userHeld = false;
    this.strippedFields = null;
    this.binding = 0;
    this.mismatch = '';
    this.rotatedAway = false;
    this.explains = false;
    this.retryAfter = 0;
    this.step = -1;
    this.triedCount = 0;
    this.attempts = 0;
    this.retrying = false;
    this.backend = null;
    this.lastBackend = null;
    this.lastError = null;
    this.upstream = null;
    this.personal = false;
    this.newConnectionOnly = false;
    this.status = 0;
    this.committed = false;
    this.bytesOut = 0;
    this.resumption = null;
    this.error = null;
    this.detail = '';
    this.active = true;
  }
}
