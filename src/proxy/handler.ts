/**
 * What happens to a request, in the order in which it happens. START READING HERE.
 *
 *   handle        route, then what it has to pass, its session among it (request-steps.ts), then a backend
 *   send          one attempt at one backend (upstream/upstream.ts carries it out and reports back)
 *   onResponse    the backend answered: session confirmed, ended or given another id (session-changes.ts), head to the client
 *   onFailure     it did not: another backend, or an error of our own; half-way: cut, or resumed (resume-response.ts)
 *   onComplete    the response is whole: counted and logged
 *
 * No promise, no closure and no object per request on the usual path; the exchange belongs to the client's connection.
 * Longer than 400 lines because the life of a request is to be read in one place.
 */
import { performance } from 'node:perf_hooks';
import { CookieNames } from '../affinity/cookie-names.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendQueue } from '../backends/queue.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { AttemptEvents } from '../exchange/attempt-events.ts';
import { type Exchange, REQUEST_ID, Stage } from '../exchange/exchange.ts';
import { ConnectionToken, Framing, Head, Parse } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { Key } from '../keys/key.ts';
import type { Logger } from '../logging/logger.ts';
import type { SessionJournal } from '../logging/session-journal.ts';
import type { Counters } from '../metrics/counters.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import { Outcome } from '../metrics/outcomes.ts';
import type { Router } from '../routing/router.ts';
import { SessionChange } from '../routing/session-triggers.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { MoveReason } from '../sessions/table/move-reasons.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import { DateLine } from '../timing/date-line.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import { bringsConnectionAuth } from '../upstream/connection-auth.ts';
import type { BackendConnections } from '../upstream/connections.ts';
import type { PoolRuntime } from '../upstream/pool-runtime.ts';
import { requestHead } from '../upstream/request-head.ts';
import { isCacheable, passesAsItIs, responseHead } from '../upstream/response-head.ts';
import { upgradeProtocol } from '../upstream/tunnel.ts';
import { Upstream } from '../upstream/upstream.ts';
import { blame, blameStatus, countRetried, keepAccuser, noteRetried } from './blame.ts';
import { type Choice, chooseBackend } from './choose.ts';
import { EVERY_METHOD, errorAnswer } from './error-answer.ts';
import { explainLine } from './explain/explain-header.ts';
import { asksToExplain, type ExplainAccess, withoutAdminToken } from './explain/explained-request.ts';
import { finalRecipientAnswer, isFinalRecipient } from './final-recipient.ts';
import { noteRefusal } from './note-refusal.ts';
import type { RequestRecorder } from './request-recorder.ts';
import { beginAttempt, endAttempt } from './request-spans.ts';
import { REQUEST_STEPS, type RequestStep } from './request-steps.ts';
import type { RequestTracing } from './request-tracing.ts';
import { beginResume, rememberForResume, resumeFrom, resumeTail } from './resume-response.ts';
import { mayRetry, withinBudget } from './retry.ts';
import { noteMove } from './session/note-move.ts';
import { noteSession } from './session/note-session.ts';
import { OpenStreams } from './session/open-streams.ts';
import { changeAsked, endSession, followRotation, rotateSession } from './session/session-changes.ts';
import { confirm, releaseClaim, sessionTail } from './session/session-confirm.ts';
import { acceptSession, touchSession } from './session/session-search.ts';
import { type AdmissionStep, type Gate, WAIT } from './steps/admission.ts';
import { SessionStep } from './steps/session-step.ts';
import type { SessionUser } from './steps/session-user.ts';
import { SIMPLEX_METHODS } from './steps/simplex.ts';

/** Steps between the route, which comes first, and the choice of the backend, which comes last. The session's is the handler's own. */
type PassedStep = Exclude<RequestStep, 'route' | 'session' | 'backend'>;
const PASSED = REQUEST_STEPS.slice(1, -1) as (PassedStep | 'session')[];
const SESSION_STEP = PASSED.indexOf('session');

/** The parts of a worker that carry requests. */
export interface HandlerParts {
  readonly wheel: TimerWheel;
  readonly router: Router;
  readonly pools: readonly PoolRuntime[];
  readonly state: SharedState;
  readonly queue: BackendQueue;
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly counters: Counters;
  readonly labelled: LabelledCounters;
  readonly recorder: RequestRecorder;
  /** Null: the audit log is off. Another one at any time. */
  readonly journal: SessionJournal | null;
  /** Told whose request is worked on: what becomes of rows meanwhile is noted with the address. */
  readonly requester: { client: string };
  readonly users: SessionUser;
  /** What requests pass, by its name. */
  readonly steps: Readonly<Record<PassedStep, AdmissionStep>>;
  /** Who may have decisions explained in responses; null: nobody, as there is no admin token. */
  readonly explain: ExplainAccess | null;
  readonly log: Logger;
  /** Random text that makes request ids unique over workers and restarts. */
  readonly requestIdPrefix: string;
}

const EXPIRE_TICKS = 2;
/** Between two log lines about the same trouble. */
const QUIET_MS = 10_000;
/** A request id of a trusted proxy that is safe to show and to log. */
const SAFE_ID = /^[\w.:@+/=-]{1,128}$/;

export class Handler implements AttemptEvents, Gate {
  readonly wheel: TimerWheel;
  /** Set at a graceful stop: responses close their connections. */
  stopping = false;
  /** Null: no spans are made, and what clients send of a trace goes on as it is. */
  tracing: RequestTracing | null = null;
  readonly #parts: HandlerParts;
  #router: Router;
  #pools: readonly PoolRuntime[] = [];
  #byIndex: readonly (PoolRuntime | undefined)[] = [];
  /** Of limpet's own cookies, of all pools. */
  #cookies = CookieNames.NONE;
  readonly #state: SharedState;
  readonly #store: SessionStore;
  readonly #streams: OpenStreams;
  readonly #session: SessionStep;
  readonly #steps: readonly AdmissionStep[];
  /** Scratch. */
  readonly #former = new Key();
  readonly #heads = new Map<number, Head>();
  /** The request head that was parsed last; valid until the next one is. */
  scratchHead = new Head();
  #lastHead: { fields: number; head: Head } | null = null;
  readonly #response = new Head(1_000, true);
  readonly #idPrefix: string;
  #requests = 0;
  /** Between the monotonic clock and that of the day, as of the latest tick: one clock is read for each request, not two. */
  #clockOffset = Date.now() - performance.now();
  readonly #date = new DateLine();
  #ticks = 0;
  #quietUntil = 0;
  #madeRoomAt = 0;

  constructor(parts: HandlerParts) {
    this.#parts = parts;
    this.wheel = parts.wheel;
    this.#idPrefix = REQUEST_ID + parts.requestIdPrefix;
    this.#router = parts.router;
    this.#state = parts.state;
    this.#store = parts.store;
    const { table, store, labelled, log, requester } = parts;
    this.#session = new SessionStep({ table, store, labelled, log, requester, journal: () => parts.journal });
    this.#steps = PASSED.map((name) => (name === 'session' ? this.#session : parts.steps[name]));
    this.#streams = new OpenStreams(parts.table, (x) => this.endStream(x));
    this.adopt(parts.router, parts.pools);
  }

  /** Requests that come from here on are routed by these; those under way keep what they began with. */
  adopt(router: Router, pools: readonly PoolRuntime[]): void {
    this.#router = router;
    this.#pools = pools;
    // Filled to the last index: an array with holes is slower to read.
    const byIndex = new Array<PoolRuntime | undefined>(1 + Math.max(-1, ...pools.map(({ pool }) => pool.index)));
    byIndex.fill(undefined);
    for (const runtime of pools) byIndex[runtime.pool.index] = runtime;
    this.#byIndex = byIndex;
    this.#cookies = new CookieNames(pools.flatMap(({ issuer }) => (issuer === null ? [] : [issuer.name])));
  }

  /** Scratch for a request head with at most so many fields; valid until the next request is parsed. */
  requestHead(fields: number): Head {
    if (this.#lastHead?.fields !== fields) {
      const head = this.#heads.get(fields) ?? new Head(fields, true);
      this.#heads.set(fields, head);
      this.#lastHead = { fields, head };
    }
    this.scratchHead = this.#lastHead.head;
    return this.scratchHead;
  }

  responseHead(): Head {
    return this.#response;
  }

  /** The X-Request-Id that a trusted proxy sent, when it is one; '' otherwise. */
  trustedRequestId(head: Head): string {
    const line = head.findId(HeaderId.xRequestId);
    return line >= 0 && SAFE_ID.test(head.value(line)) ? head.value(line) : '';
  }

  #requestIdLine(x: Exchange): string {
    const { trustedRequestId } = x.client;
    return trustedRequestId === '' ? this.#idPrefix + (this.#requests++).toString(36) : REQUEST_ID + trustedRequestId;
  }

  /** Work of a worker that is due now and then: called on each tick of the wheel. */
  tick(): void {
    this.#clockOffset = Date.now() - performance.now();
    if (this.#streams.size > 0) this.#streams.tick(Date.now());
    if (++this.#ticks % EXPIRE_TICKS === 0 && this.#parts.queue.waiting > 0) this.#parts.queue.expire(this.wheel.due);
  }

  // ---- a request has come ----

  handle(x: Exchange, came: Head): void {
    x.startedAt = performance.now();
    x.requestIdLine = this.#requestIdLine(x);
    if (this.tracing !== null) this.tracing.begin(x, came);
    const { explain } = this.#parts;
    // The admin token is for limpet alone, whatever else the request says.
    const head = explain !== null && came.has(HeaderId.authorization) ? this.#withoutToken(x, came, explain) : came;
    if ((head.connection & ConnectionToken.upgrade) !== 0) x.upgrade = upgradeProtocol(head);
    if (head.method === 'CONNECT') return this.answer(x, ERRORS.METHOD_NOT_ALLOWED);
    if ((head.method === 'OPTIONS' || head.method === 'TRACE') && isFinalRecipient(head)) return this.#endHere(x, head);
    if (head.expect !== 0) {
      if (head.expect === 2) return this.answer(x, ERRORS.EXPECTATION_FAILED);
      x.expectsContinue = head.minor === 1 && !x.bodyDone;
    }
    const route = this.#router.match(head);
    if (route === null) return this.answer(x, ERRORS.NO_ROUTE);
    x.route = route;
    x.pool = route.pool;
    const runtime = this.#byIndex[route.pool.index]!;
    x.runtime = runtime;
    runtime.active++;
    x.counted = true;
    x.idempotent =
      isIdempotent(head.method) || (route.pool.config.retry.idempotencyKey && head.has(HeaderId.idempotencyKey));
    this.#pass(x, runtime, 0);
  }

  /** Where it carries the admin token it goes on without that, and its head is parsed anew; with it, it may ask what is decided. */
  #withoutToken(x: Exchange, head: Head, access: ExplainAccess): Head {
    const text = withoutAdminToken(head, access);
    if (text === null) return head;
    x.explains = asksToExplain(head);
    x.text = text;
    return this.#reparse(x);
  }

  // ---- what it has to pass ----

  #pass(x: Exchange, runtime: PoolRuntime, from: number): void {
    const steps = this.#steps;
    for (let at = from; at < steps.length; at++) {
      x.step = at;
      const said = steps[at]!.enter(x, runtime, this);
      if (said === WAIT) return;
      if (said !== null) return this.answer(x, said);
    }
    if (x.untouched) acceptSession(x, runtime, this.#parts.table);
    this.#choose(x, runtime);
  }

  resume(x: Exchange, serial: number): void {
    this.#late(x, serial, () => this.#pass(x, x.runtime!, x.step + 1));
  }

  turnAway(x: Exchange, serial: number, kind: ErrorKind): void {
    this.#late(x, serial, () => this.answer(x, kind));
  }

  again(x: Exchange, serial: number): void {
    this.#late(x, serial, () => this.#pass(x, x.runtime!, x.step));
  }

  head(x: Exchange): Head {
    return this.scratchHead.text === x.text ? this.scratchHead : this.#reparse(x);
  }

  searchAgain(x: Exchange, serial: number): void {
    this.#late(x, serial, () => this.#searchAgain(x));
  }

  found(x: Exchange, serial: number): void {
    this.#late(x, serial, () => this.#onFound(x));
  }

  late(x: Exchange, serial: number, work: () => void): void {
    this.#late(x, serial, work);
  }

  now(x: Exchange): number {
    return Math.floor(x.startedAt + this.#clockOffset);
  }

  #searchAgain(x: Exchange): void {
    const said = this.#session.again(x, x.runtime!, this);
    if (said === null) this.#onFound(x);
    else if (said !== WAIT) this.answer(x, said);
  }

  /** On behind the step that finds sessions, or, where the session was looked for once more, from the step that it had come to. */
  #onFound(x: Exchange): void {
    this.#pass(x, x.runtime!, Math.max(x.step, SESSION_STEP + 1));
  }

  /**
   * Chooses the backend and sends, or says why there is none. Also where a retry comes back to.
   * @param retryReason for the metric; '' for a first attempt
   */
  #choose(x: Exchange, runtime: PoolRuntime, retryReason = ''): void {
    const choice: Choice = chooseBackend(x, runtime, this.#state, this.#parts.table, this.#store);
    if (choice.backend === null) {
      if (choice.awaitStore) return this.#session.ask(x, runtime, this, () => this.#choose(x, runtime, retryReason));
      if (choice.restart) return this.#searchAgain(x);
      if (choice.error !== ERRORS.SESSION_LOST) return this.answer(x, x.lastError ?? choice.error);
      x.outcome = Outcome.lost;
      const { journal } = this.#parts;
      if (choice.ended && journal !== null)
        noteSession(journal, 'ended', x, (x.boundBackend ?? x.lastBackend)?.id ?? '', '', 'lost', Date.now());
      return this.answer(x, choice.error);
    }
    const backend = choice.backend;
    if (x.untouched) touchSession(x, runtime, this.#parts.table);
    if (x.lastError !== null && !withinBudget(x, runtime, backend, this.wheel.now)) return this.answer(x, x.lastError);
    if (retryReason !== '') this.#countRetry(x, runtime, retryReason);
    if (backend.maxRequests === 0) {
      this.#state.begin(backend.slot);
      this.send(x, backend);
      return;
    }
    x.deadline = this.wheel.at(runtime.pool.config.timeouts.queue);
    if (this.#parts.queue.enter(backend, x)) this.send(x, backend);
  }

  queueTimeout(x: Exchange): void {
    this.answer(x, ERRORS.QUEUE_TIMEOUT);
  }

  backendGone(x: Exchange): void {
    this.#choose(x, x.runtime!);
  }

  // ---- one attempt ----

  /** Sends the request to `backend`, where it is counted in flight already. */
  send(x: Exchange, backend: Backend): void {
    const runtime = x.runtime!;
    const head = x.attempts === 0 && this.scratchHead.text === x.text ? this.scratchHead : this.#reparse(x);
    if (x.trace !== null) beginAttempt(x, x.trace);
    x.backend = backend;
    x.attempts++;
    x.tried[x.triedCount++] = backend.slot;
    x.attemptStartedAt = x.attempts === 1 ? x.startedAt : performance.now();
    const connections = runtime.connections(backend);
    x.personal = bringsConnectionAuth(head);
    if (connections.looks || x.newConnectionOnly || !this.wheel.behind(x.attemptStartedAt)) {
      return this.#start(x, head, backend, connections);
    }
    // limpet stood still, and the end of an idle connection may be one of the events that come behind this one: for what lies behind
    // TLS, Node's stream needs another turn.
    const { serial } = x;
    const goOn = () => this.#late(x, serial, () => this.#start(x, this.#reparse(x), backend, connections));
    setImmediate(() => setImmediate(goOn));
  }

  #start(x: Exchange, head: Head, backend: Backend, connections: BackendConnections): void {
    const runtime = x.runtime!;
    const owned = x.owned === null || x.newConnectionOnly ? null : connections.takeOwned(x);
    const upstream = owned ?? (x.newConnectionOnly ? null : connections.take(x)) ?? new Upstream(connections, this, x);
    x.upstream = upstream;
    const tail = x.committed ? resumeTail(x, runtime, backend) : sessionTail(x, runtime, backend);
    upstream.start(x, requestHead(x, head, backend, this.#cookies, tail));
  }

  /** The head of the request again, for what happens after its first attempt. */
  #reparse(x: Exchange): Head {
    const bytes = Buffer.from(x.text, 'latin1');
    const head = this.requestHead(100_000);
    if (head.parseRequest(bytes, 0, bytes.length) !== Parse.done)
      throw new Error('a request head that was accepted is refused');
    return head;
  }

  // ---- what became of it ----

  isUsable(backend: Backend): boolean {
    return this.#state.isUsable(backend.slot);
  }

  /** A 1xx response other than 101. */
  onInterim(x: Exchange, head: Head): void {
    // Not in the middle of a body.
    if (x.committed) return;
    x.client.put(responseHead(head, Framing.none, this.#cookies, '', '', false));
  }

  /** The head of the final response has come. False: the response is not used, the request goes elsewhere. */
  onResponse(x: Exchange, upstream: Upstream, head: Head, framing: number): boolean {
    const backend = x.backend!;
    const runtime = x.runtime!;
    const { status } = head;
    const now = performance.now();
    if (x.trace !== null) x.trace.status = status;
    const failed = status === 502 || status === 503 || status === 504;
    if (failed) blameStatus(x, backend, runtime);
    if (runtime.resumes) {
      if (x.committed) return this.#goOn(x, upstream, head, framing);
      rememberForResume(x, head, framing);
    }
    if (
      x.pool!.config.retry.statuses.length > 0 &&
      x.pool!.config.retry.statuses.includes(status) &&
      this.#retryOnStatus(x, upstream, runtime)
    ) {
      return false;
    }
    this.#countAnswer(x, backend, now);
    const setCookie = this.#confirm(x, head, backend, runtime);
    if (setCookie === null) return this.#drop(x, upstream);
    // Without a 100 the client may or may not send its body: the next bytes could be either (RFC 9110 10.1.1).
    if (framing === Framing.untilClose || (x.expectsContinue && !x.continued && !x.bodyDone)) x.client.closeAfter();
    const { keepAlive } = x.client;
    // What the client has been told holds, whatever begins or is taken back until the response is whole.
    if (!keepAlive) x.client.closeAfter();
    let lines = !keepAlive ? 'Connection: close\r\n' : x.minor === 0 ? 'Connection: keep-alive\r\n' : '';
    if (x.explains) lines += explainLine(x, backend, null);
    if (!head.has(HeaderId.date)) lines += this.#date.at(now + this.#clockOffset);
    if (status === 426 && head.upgradeLine >= 0 && x.minor === 1) lines += upgradeLines(head);
    if (setCookie === '' && lines === '' && passesAsItIs(head, framing, this.#cookies)) {
      x.client.putHead(head.bytes, head.base, head.base + head.length);
    } else {
      const cacheable = setCookie !== '' && isCacheable(head, x.method);
      x.client.put(responseHead(head, framing, this.#cookies, setCookie, lines, cacheable));
    }
    x.status = status;
    x.committed = true;
    // An event stream has no length.
    if ((framing === Framing.chunked || framing === Framing.untilClose) && isEventStream(head)) {
      x.endless = x.method === 'GET';
      this.#onStream(x);
    }
    return true;
  }

  #countAnswer(x: Exchange, { slot }: Backend, now: number): void {
    this.#state.recordLatency(slot, now - x.attemptStartedAt);
    this.#state.recordRequest(slot);
    this.#parts.counters.backendResponse(slot, now - x.attemptStartedAt);
  }

  /** As onResponse, to a request for the rest of a response that broke (behaviour 50). */
  #goOn(x: Exchange, upstream: Upstream, head: Head, framing: number): boolean {
    this.#countAnswer(x, x.backend!, performance.now());
    if (resumeFrom(x, upstream, head, framing, this.#parts)) return true;
    upstream.abandon();
    this.#endAttempt(x);
    this.#cut(x, x.lastError!);
    return false;
  }

  /** The response does not become whole. It never ends as if it were (behaviours 29, 64). */
  #cut(x: Exchange, kind: ErrorKind): void {
    x.error = kind;
    this.#record(x);
    x.client.cut();
  }

  /** The response may last for hours: its session has to last as long, and others of it need not wait for that. */
  #onStream(x: Exchange): void {
    if (x.runtime!.guarded) for (const step of this.#steps) step.onStream?.(x);
    this.#streams.add(x, Date.now());
  }

  /** The session of an open stream is over, or limpet stops. */
  endStream(x: Exchange): void {
    if (!x.active) return;
    x.upstream?.abandon();
    this.#endAttempt(x);
    this.#record(x);
    x.client.cut();
  }

  /** The session's user may have no other one: the client gets that answer, and not the backend's. */
  #drop(x: Exchange, upstream: Upstream): false {
    upstream.abandon();
    this.#endAttempt(x);
    this.answer(x, ERRORS.TOO_MANY_SESSIONS);
    return false;
  }

  /** @returns the `Set-Cookie` line for the client, or ''; null: the response is not used, see #drop */
  #confirm(x: Exchange, head: Head, backend: Backend, runtime: PoolRuntime): string | null {
    if (!x.route!.sticky || runtime.strategies.length === 0) return '';
    const moved = x.bound && x.boundBackend !== backend;
    const { journal, table, requester } = this.#parts;
    requester.client = x.client.address;
    let setCookie = confirm(x, head, backend, runtime, table, this.#store, journal);
    if (moved) {
      x.outcome = x.moveReason === MoveReason.failback ? Outcome.returned : Outcome.moved;
      noteMove(x, x.boundBackend, backend, this.#parts);
    }
    x.claimed = false;
    const change = changeAsked(x, head, runtime);
    // What a response asks of its session is done to the session as it is now.
    const asks = change !== SessionChange.none || head.has(HeaderId.limpetUser);
    if (asks && x.strategy !== null && !x.fresh) followRotation(x, table);
    // A request with an id that was rotated away may end the session, but not make it somebody else's.
    if (change !== SessionChange.end && !x.rotatedAway && (x.user !== null || head.has(HeaderId.limpetUser))) {
      if (this.#parts.users.confirm(x, head, runtime) !== null) return null;
    }
    if (change === SessionChange.end) {
      setCookie = endSession(
        x,
        runtime,
        this.#store,
        journal,
        head.has(HeaderId.limpetSession) ? 'application' : 'path',
        Date.now(),
      );
    } else if (change === SessionChange.rotate) {
      this.#former.copy(x.found.key);
      const line = rotateSession(x, runtime, table, this.#store, journal, setCookie, Date.now());
      const rotated = line !== '' && line !== setCookie;
      setCookie = line;
      if (rotated) keepAccuser(x, this.#former, backend, runtime);
      if (rotated && runtime.guarded) for (const step of this.#steps) step.onRotated?.(x, this.#former);
    }
    return setCookie;
  }

  /** The backend agreed to switch protocols: from here on bytes go both ways. */
  onSwitch(x: Exchange, upstream: Upstream, head: Head): boolean {
    const backend = x.backend!;
    const runtime = x.runtime!;
    if (x.trace !== null) x.trace.status = head.status;
    this.#state.recordRequest(backend.slot);
    const setCookie = this.#confirm(x, head, backend, runtime);
    if (setCookie === null) return this.#drop(x, upstream);
    const line = head.upgradeLine < 0 ? x.upgrade : head.value(head.upgradeLine);
    x.client.put(
      responseHead(
        head,
        Framing.none,
        this.#cookies,
        setCookie,
        `Connection: upgrade\r\nUpgrade: ${line}\r\n${x.explains ? explainLine(x, backend, null) : ''}`,
        false,
      ),
    );
    x.status = 101;
    x.committed = true;
    this.#onStream(x);
    x.client.tunnel(upstream);
    return true;
  }

  /** Both sides of a tunnel are closed. */
  onTunnelClosed(x: Exchange, reset: boolean): void {
    this.#endAttempt(x);
    this.#record(x);
    if (reset) x.client.abort();
    else x.client.closeTunnel();
  }

  /** The response is whole. */
  onComplete(x: Exchange): void {
    this.#endAttempt(x);
    this.#record(x);
    x.client.finished();
  }

  /**
   * An attempt failed by the backend's fault.
   * @param race a connection that had served before closed without an answer (behaviour 30)
   */
  onFailure(x: Exchange, stage: number, kind: ErrorKind, why: string, race: boolean): void {
    const backend = x.backend!;
    const runtime = x.runtime!;
    if (x.trace !== null) x.trace.failure = kind.code;
    x.detail = why;
    this.#parts.log.debug(
      { pool: runtime.pool.name, backend: backend.id, error: kind.code, why, request: x.requestId },
      'attempt failed',
    );
    if (race && !x.newConnectionOnly) return this.#afterRace(x, stage, kind, runtime);
    if (kind === ERRORS.INTERNAL) return this.#afterOwnLimit(x, kind, why);
    // In a timeout of our own no pause is counted as it is.
    const excused =
      (kind === ERRORS.BACKEND_CONNECT || kind === ERRORS.BACKEND_RESET) &&
      why !== 'connect timed out' &&
      this.wheel.stoodStill(x.attemptStartedAt, performance.now());
    if (excused && !x.newConnectionOnly && mayRetry(x, stage) && this.isUsable(backend)) return this.#afterPause(x);
    this.#endAttempt(x);
    x.lastError = kind;
    if (!excused) blame(x, backend, this.#state, stage, kind, why, this.wheel.now);
    x.newConnectionOnly = false;
    if (kind === ERRORS.BACKEND_PROTOCOL) {
      this.#parts.labelled.add('limpet_refused_responses_total', runtime.pool.name, backend.id, why);
      if (stage === Stage.committed) return this.answer(x, kind);
    }
    // The client has part of it: never started again (behaviour 29).
    if (stage === Stage.committed ? !beginResume(x, backend) : !mayRetry(x, stage)) return this.answer(x, kind);
    this.#retry(x, runtime, kind.code.slice('BACKEND_'.length).toLowerCase());
  }

  /** Nothing was tried, and nobody is to blame: as with the place at a backend below maxRequests. */
  onNoTurn(x: Exchange, timedOut: boolean): void {
    x.trace?.forgetAttempt();
    this.#endAttempt(x);
    x.attempts--;
    x.newConnectionOnly = false;
    if (timedOut) this.queueTimeout(x);
    else this.#choose(x, x.runtime!);
  }

  /**
   * The classic keep-alive race: no failure of the backend, and no attempt either where the request may be sent again
   * (behaviour 30). It stays counted in flight meanwhile: its place below maxRequests is not given away.
   */
  #afterRace(x: Exchange, stage: number, kind: ErrorKind, runtime: PoolRuntime): void {
    x.lastError = kind;
    if (!mayRetry(x, stage)) {
      this.#endAttempt(x);
      return this.answer(x, kind);
    }
    x.newConnectionOnly = true;
    x.triedCount--;
    x.attempts--;
    this.#parts.labelled.add('limpet_retries_total', runtime.pool.name, 'keep-alive-race');
    this.send(x, x.backend!);
  }

  /**
   * limpet itself stood still during the attempt, which may be why it failed: the backend gave up waiting, or a connect came too late to
   * be looked at. Nobody is to blame, and the session stays where its state is: the same backend gets the request once more.
   */
  #afterPause(x: Exchange): void {
    x.newConnectionOnly = true;
    x.triedCount--;
    x.attempts--;
    this.#parts.labelled.add('limpet_retries_total', x.runtime!.pool.name, 'own-pause');
    this.send(x, x.backend!);
  }

  /** This machine has no socket left for a connection to a backend: idle ones make room, once (behaviour 71). */
  #afterOwnLimit(x: Exchange, kind: ErrorKind, why: string): void {
    const now = this.wheel.now;
    if (now >= this.#quietUntil) {
      this.#quietUntil = now + QUIET_MS;
      this.#parts.log.error(
        { error: why, backend: x.backend?.id },
        'no connection to a backend can be opened: raise the limit on open files (ulimit -n)',
      );
    }
    for (const runtime of this.#pools) if (runtime.closeIdle()) this.#madeRoomAt = performance.now();
    // Several fail at once, and the first of them closes the idle ones for all.
    if (x.newConnectionOnly || this.#madeRoomAt < x.attemptStartedAt) {
      this.#endAttempt(x);
      return this.answer(x, kind);
    }
    x.newConnectionOnly = true;
    x.triedCount--;
    x.attempts--;
    this.send(x, x.backend!);
  }

  #retryOnStatus(x: Exchange, upstream: Upstream, runtime: PoolRuntime): boolean {
    if (!x.idempotent || !mayRetry(x, Stage.exchange) || x.attempts > x.pool!.config.retry.attempts) return false;
    noteRetried(x, runtime, this.wheel.now);
    // Only when there is somewhere else to go: otherwise this answer is the best there is.
    const choice = chooseBackend(x, runtime, this.#state, this.#parts.table, this.#store);
    if (choice.backend === null || !withinBudget(x, runtime, choice.backend, this.wheel.now)) return false;
    countRetried(x.backend!, this.#state);
    upstream.abandon();
    this.#endAttempt(x);
    this.#retry(x, runtime, 'status');
    return true;
  }

  #retry(x: Exchange, runtime: PoolRuntime, reason: string): void {
    if (x.attempts > runtime.pool.config.retry.attempts) return this.answer(x, x.lastError ?? ERRORS.NO_BACKEND);
    this.#choose(x, runtime, reason);
  }

  #countRetry(x: Exchange, runtime: PoolRuntime, reason: string): void {
    this.#parts.labelled.add('limpet_retries_total', runtime.pool.name, reason);
    if (x.retrying) return;
    x.retrying = true;
    runtime.retrying++;
  }

  /** The client has left (behaviour 35): not retried, not held against anybody. */
  clientGone(x: Exchange): void {
    if (!x.active) return;
    if (x.queuedAt !== null) this.#parts.queue.leave(x);
    if (x.upstream !== null) x.upstream.abandon();
    if (x.trace !== null) x.trace.failure = ERRORS.CLIENT_GONE.code;
    this.#endAttempt(x);
    x.error = ERRORS.CLIENT_GONE;
    if (!x.committed) x.status = ERRORS.CLIENT_GONE.status;
    this.#record(x);
  }

  /** A request that cannot be taken: bad framing, too slow, too large. Also in the middle of its body. */
  refuse(x: Exchange, kind: ErrorKind, problem: string): void {
    if (x.requestIdLine === '') {
      x.startedAt = performance.now();
      x.requestIdLine = this.#requestIdLine(x);
    }
    x.detail = problem;
    this.#parts.log.debug(
      { client: x.client.address, error: kind.code, problem, request: x.requestId },
      'request refused',
    );
    if (x.queuedAt !== null) this.#parts.queue.leave(x);
    if (x.upstream !== null) {
      x.upstream.abandon();
      if (x.trace !== null) x.trace.failure = kind.code;
      this.#endAttempt(x);
    }
    this.answer(x, kind);
  }

  /** Answers with an error of limpet's own. Where the client has part of a response already, all that is left is to cut it. */
  answer(x: Exchange, kind: ErrorKind): void {
    if (x.committed) return this.#cut(x, x.lastError ?? kind);
    releaseClaim(x, this.#store);
    x.error = kind;
    x.status = kind.status;
    x.committed = true;
    const { journal } = this.#parts;
    if (journal !== null) noteRefusal(journal, x, kind);
    // An upload that nobody will read ends the connection with the answer. So does a request for another protocol: our answer comes so fast
    // that bytes sent in hope of that protocol may come behind it.
    if (!x.bodyDone || x.upgrade !== '') x.client.closeAfter();
    const { keepAlive } = x.client;
    if (!keepAlive) x.client.closeAfter();
    const text = errorAnswer({
      kind,
      accept: x.text === '' ? '' : acceptOf(this.#reparse(x)),
      requestId: x.requestId,
      head: x.method === 'HEAD',
      keepAlive,
      http10: x.minor === 0,
      retryAfter: x.retryAfter || kind.retryAfter,
      date: this.#date.at(performance.now() + this.#clockOffset),
      more: x.explains ? explainLine(x, null, kind) : '',
      // Where a pool is known, it is one that only lets some through.
      allow: x.pool === null ? EVERY_METHOD : SIMPLEX_METHODS,
    });
    x.client.put(text);
    this.#record(x);
    x.client.finished();
  }

  /** A request that has come as far as it may go. */
  #endHere(x: Exchange, head: Head): void {
    x.status = 200;
    x.committed = true;
    if (!x.bodyDone) x.client.closeAfter();
    const connection = !x.client.keepAlive
      ? 'Connection: close\r\n'
      : x.minor === 0
        ? 'Connection: keep-alive\r\n'
        : '';
    const date = this.#date.at(performance.now() + this.#clockOffset);
    x.client.put(finalRecipientAnswer(head, `${date}${x.requestIdLine}\r\n${connection}`));
    this.#record(x);
    x.client.finished();
  }

  /** Ends the attempt that is under way, when there is one. */
  #endAttempt(x: Exchange): void {
    const backend = x.backend;
    if (backend === null) return;
    if (x.trace !== null) endAttempt(x, x.trace, backend);
    x.backend = null;
    x.lastBackend = backend;
    x.upstream = null;
    if (backend.maxRequests === 0) this.#state.end(backend.slot);
    else this.#parts.queue.release(backend);
  }

  /** Counts and logs a request that has ended. Once per request. */
  #record(x: Exchange): void {
    if (!x.active) return;
    x.active = false;
    releaseClaim(x, this.#store);
    if (x.streamAt >= 0) this.#streams.remove(x);
    if (x.step >= 0 && x.runtime!.guarded) this.#leaveSteps(x);
    if (x.counted) {
      const runtime = x.runtime!;
      runtime.active--;
      if (x.retrying) runtime.retrying--;
      x.counted = false;
    }
    if (x.body.length > 0) x.body.length = 0;
    this.#parts.recorder.record(x);
  }

  #leaveSteps(x: Exchange): void {
    for (const step of this.#steps) step.leave?.(x);
    x.step = -1;
  }

  /** A defect of limpet's own: 500 where that is still possible, the worker goes on (behaviour 69). */
  defect(x: Exchange | null, error: unknown): void {
    this.#parts.log.error({ err: error, request: x?.requestId }, 'defect: please report it with this line');
    if (x === null || !x.active) return;
    if (x.queuedAt !== null) this.#parts.queue.leave(x);
    x.upstream?.abandon();
    if (x.trace !== null) x.trace.failure = ERRORS.INTERNAL.code;
    this.#endAttempt(x);
    x.error = ERRORS.INTERNAL;
    if (x.committed) {
      this.#record(x);
      x.client.cut();
    } else {
      x.client.closeAfter();
      this.answer(x, ERRORS.INTERNAL);
    }
  }

  /** Goes on after something was waited for, unless the exchange serves another request by now. */
  #late(x: Exchange, serial: number, work: () => void): void {
    if (x.serial === serial && x.active) this.#guard(x, work);
  }

  #guard(x: Exchange, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.defect(x, error);
    }
  }

  // ---- health ----

  /** A backend was taken out while requests wait for its answer: those that may be sent again go elsewhere at once (behaviour 75). */
  onBackendDown(slot: number): void {
    for (const runtime of this.#pools) {
      const backend = runtime.pool.bySlot[slot];
      if (backend === undefined) continue;
      const connections = runtime.connections(backend);
      connections.closeIdle();
      const waiting: Upstream[] = [];
      for (let upstream = connections.busy; upstream !== null; upstream = upstream.nextBusy) {
        const x = upstream.exchange;
        if (upstream.waiting && x !== null && mayRetry(x, upstream.connecting ? Stage.connect : Stage.exchange))
          waiting.push(upstream);
      }
      for (const upstream of waiting) upstream.takeBack();
    }
  }
}

/** Methods that may be sent twice (RFC 9110 9.2.2, behaviour 28). */
function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true;
    default:
      return false;
  }
}

/** Server-sent events (WHATWG HTML, section 9.2). */
function isEventStream(head: Head): boolean {
  const line = head.findId(HeaderId.contentType);
  return (
    line >= 0 &&
    head.text.slice(head.valueStart(line), head.valueStart(line) + 17).toLowerCase() === 'text/event-stream'
  );
}

/** A 426 says what would be welcome (RFC 9110 15.5.22). */
function upgradeLines(head: Head): string {
  let lines = 'Connection: upgrade\r\n';
  for (let i = head.upgradeLine; i >= 0; i = head.findId(HeaderId.upgrade, i + 1))
    lines += `Upgrade: ${head.value(i)}\r\n`;
  return lines;
}

function acceptOf(head: Head): string {
  const line = head.findId(HeaderId.accept);
  return line < 0 ? '' : head.value(line);
}
