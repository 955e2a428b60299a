/**
 * What becomes of a request behind the sequence of the handler. Longer than 400 lines because an attempt is one state
 * machine: what its end leads to depends on how it was sent, and on what was tried before.
 */
import { performance } from 'node:perf_hooks';
import { CookieNames } from '../affinity/cookie-names.ts';
import type { Backend } from '../backends/backend.ts';
import type { BackendQueue } from '../backends/queue.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { AttemptEvents } from '../exchange/attempt-events.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import { Stage } from '../exchange/stage.ts';
import { Framing, Head } from '../http1/head.ts';
import type { Logger } from '../logging/logger.ts';
import type { SessionJournal } from '../logging/session-journal.ts';
import type { Counters } from '../metrics/counters.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import type { WallClock } from '../timing/wall-clock.ts';
import type { ConnectedPool } from '../upstream/connected-pool.ts';
import { bringsConnectionAuth } from '../upstream/connection-auth.ts';
import type { BackendConnections } from '../upstream/connections.ts';
import { requestHead } from '../upstream/request-head.ts';
import { responseHead } from '../upstream/response-head.ts';
import { Upstream } from '../upstream/upstream.ts';
import { Answers } from './answers.ts';
import { blame, blameStatus, countRetried, noteRetried } from './blame.ts';
import { chooseBackend } from './choose.ts';
import type { RequestEnds } from './request-ends.ts';
import type { RequestHeads } from './request-heads.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestRecorder } from './request-recorder.ts';
import { beginAttempt, endAttempt } from './request-spans.ts';
import { Responses } from './responses.ts';
import { beginResume, rememberForResume, resumeFrom, resumeTail } from './resume-response.ts';
import { mayRetry, withinBudget } from './retry.ts';
import { noteSession } from './session/note-session.ts';
import { OpenStreams } from './session/open-streams.ts';
import { SessionAnswer } from './session/session-answer.ts';
import { sessionTail } from './session/session-confirm.ts';
import type { AdmissionStep } from './steps/admission.ts';
import type { SessionUser } from './steps/session-user.ts';

/** Where a request goes back to when an attempt came to nothing, see Handler. */
export interface Chooser {
  /**
   * Chooses a backend once more.
   * @param retryReason for the metric; '': nothing was tried
   */
  choose(x: Exchange, runtime: PoolRuntime, retryReason?: string): void;
}

/** The parts of a worker that attempts work with. */
interface AttemptParts {
  readonly wheel: TimerWheel;
  readonly clock: WallClock;
  readonly heads: RequestHeads;
  readonly ids: RequestIds;
  readonly pools: readonly ConnectedPool[];
  readonly state: SharedState;
  readonly queue: BackendQueue;
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly counters: Counters;
  readonly labelled: LabelledCounters;
  readonly recorder: RequestRecorder;
  /** Null: the audit log is off. */
  readonly journal: () => SessionJournal | null;
  /** Told whose request is worked on: what becomes of rows meanwhile is noted with the address. */
  readonly requester: { client: string };
  readonly users: SessionUser;
  /** What requests of guarded pools pass, and are to leave. */
  readonly steps: readonly AdmissionStep[];
  readonly log: Logger;
}

const EXPIRE_TICKS = 2;
/** Between two log lines about the same trouble. */
const QUIET_MS = 10_000;
/** Fields of a response head. */
const MOST_FIELDS = 1_000;

/**
 * Tries requests at the backends that were chosen for them, and deals with what becomes of that: upstream.ts carries an
 * attempt out and reports here.
 *
 *   begin         a place at the backend, then `send`: one attempt at one backend
 *   onResponse    the backend answered: its session is confirmed or changed (session-answer.ts), the head goes to the
 *                 client (responses.ts)
 *   onFailure     it did not: another backend, or an error of our own; half-way: cut, or resumed (resume-response.ts)
 *   onComplete    the response is whole: counted and logged (answers.ts)
 */
export class Attempts implements AttemptEvents, RequestEnds {
  readonly wheel: TimerWheel;
  readonly #parts: AttemptParts;
  readonly #chooser: Chooser;
  readonly #state: SharedState;
  readonly #heads: RequestHeads;
  readonly #streams: OpenStreams;
  readonly #answers: Answers;
  readonly #responses: Responses;
  readonly #session: SessionAnswer;
  #pools: readonly ConnectedPool[] = [];
  /** Of limpet's own cookies, of all pools. */
  #cookies = CookieNames.NONE;
  /** Scratch. */
  readonly #response = new Head(MOST_FIELDS, true);
  #ticks = 0;
  #quietUntil = 0;
  #madeRoomAt = 0;

  /** @param chooser where requests come back to */
  constructor(parts: AttemptParts, chooser: Chooser) {
    const { wheel, state, heads, table } = parts;
    this.wheel = wheel;
    this.#parts = parts;
    this.#chooser = chooser;
    this.#state = state;
    this.#heads = heads;
    this.#streams = new OpenStreams(table, (x) => this.endStream(x));
    const streams = this.#streams;
    this.#answers = new Answers({ ...parts, streams });
    this.#responses = new Responses({ ...parts, streams, answers: this.#answers });
    this.#session = new SessionAnswer(parts);
    this.adopt(parts.pools);
  }

  /** Requests that come from here on go to the backends of these pools; those under way keep what they began with. */
  adopt(pools: readonly ConnectedPool[]): void {
    this.#pools = pools;
    this.#cookies = new CookieNames(pools.flatMap(({ issuer }) => (issuer === null ? [] : [issuer.name])));
  }

  /** Work of a worker that is due now and then: called on each tick of the wheel. */
  tick(): void {
    const { clock, queue } = this.#parts;
    clock.tick();
    if (this.#streams.size > 0) this.#streams.tick(Date.now());
    if (++this.#ticks % EXPIRE_TICKS === 0 && queue.waiting > 0) queue.expire(this.wheel.due);
  }

  responseHead(): Head {
    return this.#response;
  }

  isUsable(backend: Backend): boolean {
    return this.#state.isUsable(backend.slot);
  }

  // ---- from the handler ----

  begin(x: Exchange, runtime: PoolRuntime, backend: Backend, retryReason: string): void {
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

  unserved(x: Exchange, kind: ErrorKind, ended: boolean): void {
    if (kind !== ERRORS.SESSION_LOST) return this.answer(x, x.lastError ?? kind);
    const journal = this.#parts.journal();
    const lostWith = x.boundBackend ?? x.lastBackend;
    if (ended && journal !== null) noteSession(journal, 'ended', x, lostWith?.id ?? '', '', 'lost', Date.now());
    this.answer(x, kind);
  }

  answer(x: Exchange, kind: ErrorKind): void {
    this.#answers.answer(x, kind);
  }

  answerHere(x: Exchange, head: Head): void {
    this.#answers.answerHere(x, head);
  }

  #countRetry(x: Exchange, runtime: PoolRuntime, reason: string): void {
    this.#parts.labelled.add('limpet_retries_total', runtime.pool.name, reason);
    if (x.retrying) return;
    x.retrying = true;
    runtime.retrying++;
  }

  // ---- one attempt ----

  /** Sends the request to `backend`, where it is counted in flight already. */
  send(x: Exchange, backend: Backend): void {
    const head = x.attempts === 0 ? this.#heads.head(x) : this.#heads.again(x);
    if (x.trace !== null) beginAttempt(x, x.trace);
    x.backend = backend;
    x.attempts++;
    x.tried[x.triedCount++] = backend.slot;
    x.attemptStartedAt = x.attempts === 1 ? x.startedAt : performance.now();
    // One of `adopt`: an exchange that is sent has no other.
    const connections = (x.runtime as ConnectedPool).connections(backend);
    x.personal = bringsConnectionAuth(head);
    if (connections.looks || x.newConnectionOnly || !this.wheel.behind(x.attemptStartedAt)) {
      return this.#start(x, head, backend, connections);
    }
    // limpet stood still, and the end of an idle connection may be one of the events that come behind this one: for
    // what lies behind TLS, Node's stream needs another turn.
    const { serial } = x;
    setImmediate(() => setImmediate(() => this.#startLate(x, serial, backend, connections)));
  }

  #startLate(x: Exchange, serial: number, backend: Backend, connections: BackendConnections<Upstream>): void {
    // The exchange serves another request by now.
    if (x.serial !== serial || !x.active) return;
    try {
      this.#start(x, this.#heads.again(x), backend, connections);
    } catch (error) {
      this.defect(x, error);
    }
  }

  #start(x: Exchange, head: Head, backend: Backend, connections: BackendConnections<Upstream>): void {
    const runtime = x.runtime!;
    const owned = x.owned === null || x.newConnectionOnly ? null : connections.takeOwned(x);
    const upstream = owned ?? (x.newConnectionOnly ? null : connections.take(x)) ?? new Upstream(connections, this, x);
    x.upstream = upstream;
    const tail = x.committed ? resumeTail(x, runtime, backend) : sessionTail(x, runtime, backend);
    upstream.start(x, requestHead(x, head, backend, this.#cookies, tail));
  }

  /**
   * Sends it to the same backend again, over a new connection: it stays counted in flight, and what was tried does not
   * count.
   */
  #sendAgain(x: Exchange): void {
    x.newConnectionOnly = true;
    x.triedCount--;
    x.attempts--;
    this.send(x, x.backend!);
  }

  /** Ends the attempt that is under way, when there is one. */
  #endAttempt(x: Exchange): void {
    const { backend } = x;
    if (backend === null) return;
    if (x.trace !== null) endAttempt(x, x.trace, backend);
    x.backend = null;
    x.lastBackend = backend;
    x.upstream = null;
    if (backend.maxRequests === 0) this.#state.end(backend.slot);
    else this.#parts.queue.release(backend);
  }

  /** Gives the attempt that is under way up, or the request's place in a queue. */
  #abandon(x: Exchange, why: ErrorKind): void {
    if (x.queuedAt !== null) this.#parts.queue.leave(x);
    if (x.upstream !== null) x.upstream.abandon();
    if (x.trace !== null) x.trace.failure = why.code;
    this.#endAttempt(x);
  }

  queueTimeout(x: Exchange): void {
    this.answer(x, ERRORS.QUEUE_TIMEOUT);
  }

  backendGone(x: Exchange): void {
    this.#chooser.choose(x, x.runtime!);
  }

  // ---- the backend answered ----

  onInterim(x: Exchange, head: Head): void {
    // Not in the middle of a body.
    if (x.committed) return;
    x.client.put(responseHead(head, Framing.none, this.#cookies, '', '', false));
  }

  onResponse(x: Exchange, upstream: Upstream, head: Head, framing: Framing): boolean {
    const backend = x.backend!;
    const runtime = x.runtime!;
    const { status } = head;
    const now = performance.now();
    if (x.trace !== null) x.trace.status = status;
    if (status === 502 || status === 503 || status === 504) blameStatus(x, backend, runtime);
    if (runtime.resumes) {
      if (x.committed) return this.#resumeFrom(x, upstream, head, framing);
      rememberForResume(x, head, framing);
    }
    const { statuses } = runtime.pool.config.retry;
    if (statuses.length > 0 && statuses.includes(status) && this.#retryOnStatus(x, upstream, runtime)) return false;
    this.#responses.count(x, backend, now);
    const setCookie = this.#session.take(x, head, backend, runtime);
    if (setCookie === null) return this.#drop(x, upstream);
    x.answeredAt = now;
    this.#responses.send(x, head, framing, setCookie, this.#cookies, now);
    return true;
  }

  onSwitch(x: Exchange, upstream: Upstream, head: Head): boolean {
    const backend = x.backend!;
    if (x.trace !== null) x.trace.status = head.status;
    this.#state.recordRequest(backend.slot);
    const setCookie = this.#session.take(x, head, backend, x.runtime!);
    if (setCookie === null) return this.#drop(x, upstream);
    this.#responses.switch(x, upstream, head, setCookie, this.#cookies);
    return true;
  }

  /** As onResponse, to a request for the rest of a response that broke (behaviour 50). */
  #resumeFrom(x: Exchange, upstream: Upstream, head: Head, framing: Framing): boolean {
    x.answeredAt = performance.now();
    this.#responses.count(x, x.backend!, x.answeredAt);
    if (resumeFrom(x, upstream, head, framing, this.#parts)) return true;
    upstream.abandon();
    this.#endAttempt(x);
    this.#answers.cut(x, x.lastError!);
    return false;
  }

  /** The session's user may have no other one: the client gets that answer, and not the backend's. */
  #drop(x: Exchange, upstream: Upstream): false {
    upstream.abandon();
    this.#endAttempt(x);
    this.answer(x, ERRORS.TOO_MANY_SESSIONS);
    return false;
  }

  onComplete(x: Exchange): void {
    this.#endAttempt(x);
    this.#answers.record(x, x.answeredAt === 0 ? performance.now() : x.answeredAt);
    x.client.finished();
  }

  onTunnelClosed(x: Exchange): void {
    this.#endAttempt(x);
    this.#answers.record(x);
  }

  /** The session of an open stream is over, or limpet stops. */
  endStream(x: Exchange): void {
    if (!x.active) return;
    x.upstream?.abandon();
    this.#endAttempt(x);
    this.#answers.record(x);
    x.client.cut();
  }

  // ---- it did not ----

  onFailure(x: Exchange, stage: Stage, kind: ErrorKind, why: string, race: boolean): void {
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
    else this.#chooser.choose(x, x.runtime!);
  }

  /**
   * The classic keep-alive race: no failure of the backend, and no attempt either where the request may be sent again
   * (behaviour 30). It stays counted in flight meanwhile: its place below maxRequests is not given away.
   */
  #afterRace(x: Exchange, stage: Stage, kind: ErrorKind, runtime: PoolRuntime): void {
    x.lastError = kind;
    if (!mayRetry(x, stage)) {
      this.#endAttempt(x);
      return this.answer(x, kind);
    }
    this.#parts.labelled.add('limpet_retries_total', runtime.pool.name, 'keep-alive-race');
    this.#sendAgain(x);
  }

  /**
   * limpet itself stood still during the attempt, which may be why it failed: the backend gave up waiting, or a connect
   * came too late to be looked at. Nobody is to blame, and the session stays where its state is: the same backend gets
   * the request once more.
   */
  #afterPause(x: Exchange): void {
    this.#parts.labelled.add('limpet_retries_total', x.runtime!.pool.name, 'own-pause');
    this.#sendAgain(x);
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
    this.#sendAgain(x);
  }

  #retryOnStatus(x: Exchange, upstream: Upstream, runtime: PoolRuntime): boolean {
    const { table, store } = this.#parts;
    if (!x.idempotent || !mayRetry(x, Stage.exchange) || x.attempts > runtime.pool.config.retry.attempts) return false;
    noteRetried(x, runtime, this.wheel.now);
    // Only when there is somewhere else to go: otherwise this answer is the best there is.
    const choice = chooseBackend(x, runtime, this.#state, table, store);
    if (choice.backend === null || !withinBudget(x, runtime, choice.backend, this.wheel.now)) return false;
    countRetried(x.backend!, this.#state);
    upstream.abandon();
    this.#endAttempt(x);
    this.#retry(x, runtime, 'status');
    return true;
  }

  #retry(x: Exchange, runtime: PoolRuntime, reason: string): void {
    if (x.attempts > runtime.pool.config.retry.attempts) return this.answer(x, x.lastError ?? ERRORS.NO_BACKEND);
    this.#chooser.choose(x, runtime, reason);
  }

  /**
   * A backend was taken out while requests wait for its answer: those that may be sent again go elsewhere at once
   * (behaviour 75).
   */
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

  // ---- from the client's side ----

  /** The client has left (behaviour 35): its request is not retried, and nobody is to blame. */
  clientGone(x: Exchange): void {
    if (!x.active) return;
    this.#abandon(x, ERRORS.CLIENT_GONE);
    this.#answers.leave(x);
  }

  /** A request cannot be taken: bad framing, too slow, too large. Also in the middle of its body. */
  refuse(x: Exchange, kind: ErrorKind, problem: string): void {
    if (x.requestIdLine === '') {
      x.startedAt = performance.now();
      x.requestIdLine = this.#parts.ids.line(x);
    }
    x.detail = problem;
    this.#parts.log.debug(
      { client: x.client.address, error: kind.code, problem, request: x.requestId },
      'request refused',
    );
    this.#abandon(x, kind);
    this.answer(x, kind);
  }

  /** A defect of limpet's own: 500 where that is still possible, the worker goes on (behaviour 69). */
  defect(x: Exchange | null, error: unknown): void {
    this.#parts.log.error({ err: error, request: x?.requestId }, 'defect: please report it with this line');
    if (x === null || !x.active) return;
    this.#abandon(x, ERRORS.INTERNAL);
    if (x.committed) {
      this.#answers.cut(x, ERRORS.INTERNAL);
    } else {
      x.client.closeAfter();
      this.answer(x, ERRORS.INTERNAL);
    }
  }
}
