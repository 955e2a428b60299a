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
import type { BackendConnections } from '../upstream/connections.ts';
import type { PoolRuntime } from '../upstream/pool-runtime.ts';
import type { Resumption } from '../upstream/resume.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { AttemptEvents } from './attempt-events.ts';

/** Begin of the line with the request's id. */
export const REQUEST_ID = 'X-Request-Id: ';

/** How far an attempt had come when it ended; retry reads only this (behaviours 27 to 29). */
export const Stage = {
  /** Nothing of the request has been sent. */
  connect: 0,
  /** Some of it may have been sent. */
  exchange: 1,
  /** The client has part of the response. */
  committed: 2,
} as const;

/** The client's side of an exchange, as the data path sees it: an HTTP/1.1 connection, later an HTTP/2 stream. */
export interface ClientSide {
  /** Address of the client as text, behind trusted proxies. */
  readonly address: string;
  /** Port of the client, when `address` is the other end of its connection; 0: it is not, or not known. */
  readonly port: number;
  /** Where the client's connection came in; '' and 0: not known. */
  readonly localAddress: string;
  readonly localPort: number;
  /** SHA-256 fingerprint of the client's verified certificate; '' when it has shown none. */
  readonly tlsIdentity: string;
  /** Its peer is one of `trustedProxies`. */
  readonly trusted: boolean;
  /** The client's connection is TLS, its own or as told by a trusted proxy. */
  readonly secure: boolean;
  /** Host that the client asked for, behind trusted proxies; `head` is that of this request. */
  clientHost(head: Head): string;
  /** X-Forwarded-*, Forwarded and Via lines for the backend. */
  forwardedLines(): string;
  /** Value of X-Request-Id when a trusted proxy sent one; '' otherwise. */
  readonly trustedRequestId: string;
  /** The body of a response may be sent in chunked coding. */
  readonly chunks: boolean;
  /** It is one of the streams of a connection, which others of it may be somebody else's. */
  readonly multiplexed: boolean;
  /** Adds text to the output; it leaves with the next flush. */
  put(text: string): void;
  /** Adds the head of a response as it came, which is bytes[start, end). They have to be there until the next flush. */
  putHead(bytes: Buffer, start: number, end: number): void;
  /** Adds bytes[start, end) to the output. They have to be there until the next flush. */
  putBytes(bytes: Buffer, start: number, end: number): void;
  /** Sends what has been put. False: the client reads slowly, stop until `Upstream.resume` is called. */
  flush(): boolean;
  /** The response is whole. The exchange object may be in use for the next request when this returns. */
  finished(): void;
  /** Drops the connection: nobody is there to read more. */
  abort(): void;
  /** Ends the connection in the middle of a response: what was sent goes out, and does not look whole (behaviour 64). */
  cut(): void;
  /** Reads what has come from the client by now, where that can be found out. Not to be called while anything else that was read is looked at. */
  readAhead(): void;
  /** Lets the request body come, or come again. */
  readBody(): void;
  /** Stops the request body from coming. */
  holdBody(): void;
  /** The backend agreed to an upgrade: from here on bytes go both ways as they are. */
  tunnel(upstream: Upstream): void;
  /** Lets the client's bytes of a tunnel come again. */
  resumeTunnel(): void;
  /** Passes the FIN of the backend's side of a tunnel on. */
  endTunnel(): void;
  /** Both sides of a tunnel have ended: closes once what is on its way has gone out. */
  closeTunnel(): void;
  /** The connection takes no further request after this exchange. */
  closeAfter(): void;
  /** Whether it will take one, as things stand. */
  readonly keepAlive: boolean;
}

/** One request and its response, from the client's first byte to its last. One object per client connection, used again and again. */
export class Exchange implements Waiter {
  readonly client: ClientSide;
  readonly #handler: AttemptEvents;

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
  /** What each source of the pool found, by its place, where there are several; `found` is that of the one that decides. */
  readonly keys: FoundKey[] = [];
  /** Places, as bits, of keys that are other names of the session, and of those that become so when a backend has answered it. */
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
  /** When the session was last seen before this request, ms since epoch; Infinity: it has no state yet that could be lost. */
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
  /** The session was given another id while this request was under way: `found.key` is the new one, and the client hears of it by another response. */
  rotatedAway = false;
  /** Its response tells what was decided: it came with the admin token. */
  explains = false;
  /** Seconds for `Retry-After` of the answer; 0: those of its kind. */
  retryAfter = 0;
  /** The store's answer about this session, while it is waited for: of the step that has just asked, and of nobody later. */
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
  upstream: Upstream | null = null;
  /** It brings a proof of who is at the other end of its connection (connection-auth.ts). */
  personal = false;
  /** Where there are connections to backends that belong to this client's connection alone; null: nowhere. Not of one request. */
  owned: readonly BackendConnections[] | null = null;
  /** The last failed attempt was on a connection that had served before (behaviour 30). */
  newConnectionOnly = false;
  attemptStartedAt = 0;

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

  constructor(client: ClientSide, handler: AttemptEvents) {
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
