/**
 * What a request passes, in the order in which it does. START READING HERE.
 *
 *   handle    what HTTP itself has to say, then its route
 *   pass      the steps that its route and pool ask for, its session among them, in the order of request-steps.ts
 *   choose    a backend: the one that its session is bound to, another one where that cannot be, or any for a new one
 *   ends      from here on it is somebody else's: attempts.ts tries it at the backend and comes back to `choose` where
 *             that failed,
 *             responses.ts and answers.ts answer it
 *
 * Whoever has a request explained has it pass this very sequence, with steps that only look and with ends that tell
 * (explain/explain.ts).
 *
 * No promise, no closure and no object per request on the usual path; the exchange belongs to the client's connection.
 */
import { performance } from 'node:perf_hooks';
import type { SharedState } from '../backends/shared-state.ts';
import { ERRORS } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import { ConnectionToken, type Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { Outcome } from '../metrics/outcomes.ts';
import type { Route, Router } from '../routing/router.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import type { SearchedRows } from '../sessions/table/searched-rows.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import type { WallClock } from '../timing/wall-clock.ts';
import { upgradeProtocol } from '../upstream/upgrade-protocol.ts';
import type { Attempts, Chooser } from './attempts.ts';
import { type Choice, chooseBackend } from './choose.ts';
import { asksToExplain, type ExplainAccess, withoutAdminToken } from './explain/explained-request.ts';
import { isFinalRecipient } from './final-recipient.ts';
import type { RequestEnds } from './request-ends.ts';
import type { RequestHeads } from './request-heads.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestTracing } from './request-tracing.ts';
import { acceptSession, touchSession } from './session/session-search.ts';
import { type AdmissionStep, type SessionSearch, WAIT } from './steps/admission.ts';
import { type Sequence, WaitingRequests } from './steps/waiting-requests.ts';

/** What a Handler is made from. */
interface HandlerParts<Ends> {
  readonly wheel: TimerWheel;
  readonly clock: Pick<WallClock, 'at'>;
  readonly heads: RequestHeads;
  readonly ids: RequestIds;
  readonly router: Pick<Router, 'match'>;
  readonly pools: readonly PoolRuntime[];
  readonly state: SharedState;
  readonly table: SearchedRows;
  readonly store: SessionStore;
  /** What requests pass, in the order of REQUEST_STEPS. */
  readonly steps: readonly AdmissionStep[];
  /** The one of the steps that finds sessions. */
  readonly session: SessionSearch;
  /** Who may have decisions explained in responses; null: nobody, as there is no admin token. */
  readonly explain: ExplainAccess | null;
  /** Makes what takes requests over; they come back to `chooser` when they are to go to another backend. */
  readonly ends: (chooser: Chooser) => Ends;
}

/** The sequence of a request, from its head to the backend that was chosen for it. */
export class Handler<Ends extends RequestEnds = Attempts> implements Chooser, Sequence {
  readonly wheel: TimerWheel;
  readonly heads: RequestHeads;
  readonly ends: Ends;
  /** Set at a graceful stop: responses close their connections. */
  stopping = false;
  /** Null: no spans are made, and what clients send of a trace goes on as it is. */
  tracing: RequestTracing | null = null;
  readonly #ids: RequestIds;
  readonly #explain: ExplainAccess | null;
  readonly #state: SharedState;
  readonly #table: SearchedRows;
  readonly #store: SessionStore;
  readonly #session: SessionSearch;
  readonly #allSteps: readonly AdmissionStep[];
  readonly #waiting: WaitingRequests;
  #router: Pick<Router, 'match'>;
  #runtimes: readonly (PoolRuntime | undefined)[] = [];
  /** The steps that have something to do, by the index of the route; of each route from its first request on. */
  #stepsByRoute: (readonly AdmissionStep[] | undefined)[] = [];

  constructor({
    wheel,
    clock,
    heads,
    ids,
    router,
    pools,
    state,
    table,
    store,
    steps,
    session,
    explain,
    ends,
  }: HandlerParts<Ends>) {
    this.wheel = wheel;
    this.heads = heads;
    this.#ids = ids;
    this.#explain = explain;
    this.#state = state;
    this.#table = table;
    this.#store = store;
    this.#session = session;
    this.#allSteps = steps;
    this.#router = router;
    this.ends = ends(this);
    this.#waiting = new WaitingRequests({ sequence: this, session, heads, clock, ends: this.ends });
    this.adopt(router, pools);
  }

  /** Requests that come from here on are routed by these; those under way keep what they began with. */
  adopt(router: Pick<Router, 'match'>, pools: readonly PoolRuntime[]): void {
    this.#router = router;
    // Filled to the last index: an array with holes is slower to read.
    const runtimes = new Array<PoolRuntime | undefined>(1 + Math.max(-1, ...pools.map(({ pool }) => pool.index)));
    runtimes.fill(undefined);
    for (const runtime of pools) runtimes[runtime.pool.index] = runtime;
    this.#runtimes = runtimes;
    this.#stepsByRoute = [];
  }

  // ---- a request has come ----

  handle(x: Exchange, came: Head): void {
    x.startedAt = performance.now();
    x.requestIdLine = this.#ids.line(x);
    if (this.tracing !== null) this.tracing.begin(x, came);
    // The admin token is for limpet alone, whatever else the request says.
    const hasToken = this.#explain !== null && came.has(HeaderId.authorization);
    const head = hasToken ? this.#withoutToken(x, came, this.#explain!) : came;
    if ((head.connection & ConnectionToken.upgrade) !== 0) x.upgrade = upgradeProtocol(head);
    if (head.method === 'CONNECT') return this.ends.answer(x, ERRORS.METHOD_NOT_ALLOWED);
    if ((head.method === 'OPTIONS' || head.method === 'TRACE') && isFinalRecipient(head))
      return this.ends.answerHere(x, head);
    if (head.expect !== 0) {
      if (head.expect === 2) return this.ends.answer(x, ERRORS.EXPECTATION_FAILED);
      x.expectsContinue = head.minor === 1 && !x.bodyDone;
    }
    const route = this.#router.match(head);
    if (route === null) return this.ends.answer(x, ERRORS.NO_ROUTE);
    const runtime = this.#runtimes[route.pool.index]!;
    x.route = route;
    x.pool = route.pool;
    x.runtime = runtime;
    runtime.active++;
    x.idempotent =
      isIdempotent(head.method) || (route.pool.config.retry.idempotencyKey && head.has(HeaderId.idempotencyKey));
    const steps = this.#stepsByRoute[route.index];
    this.#pass(x, runtime, steps ?? (this.#stepsByRoute[route.index] = this.#stepsOf(route, runtime)), 0);
  }

  /**
   * Where it carries the admin token it goes on without that, and its head is parsed again; with it, it may ask what is
   * decided.
   */
  #withoutToken(x: Exchange, head: Head, access: ExplainAccess): Head {
    const text = withoutAdminToken(head, access);
    if (text === null) return head;
    x.explains = asksToExplain(head);
    x.text = text;
    return this.heads.again(x);
  }

  // ---- what it has to pass ----

  #stepsOf(route: Route, runtime: PoolRuntime): readonly AdmissionStep[] {
    return this.#allSteps.filter((step) => step.isFor(route, runtime));
  }

  #pass(x: Exchange, runtime: PoolRuntime, steps: readonly AdmissionStep[], from: number): void {
    for (let at = from; at < steps.length; at++) {
      x.step = at;
      const said = steps[at]!.enter(x, runtime, this.#waiting);
      if (said === WAIT) return;
      if (said !== null) return this.ends.answer(x, said);
    }
    if (x.untouched) acceptSession(x, runtime, this.#table);
    this.choose(x, runtime);
  }

  passFrom(x: Exchange, place: number): void {
    const runtime = x.runtime!;
    this.#pass(x, runtime, this.#stepsOf(x.route!, runtime), place);
  }

  passWithSession(x: Exchange): void {
    const runtime = x.runtime!;
    const steps = this.#stepsOf(x.route!, runtime);
    this.#pass(x, runtime, steps, Math.max(x.step, steps.indexOf(this.#session) + 1));
  }

  // ---- where it goes ----

  choose(x: Exchange, runtime: PoolRuntime, retryReason = ''): void {
    const choice = chooseBackend(x, runtime, this.#state, this.#table, this.#store);
    const { backend } = choice;
    if (backend === null) return this.#withoutBackend(x, runtime, choice, retryReason);
    if (x.untouched) touchSession(x, runtime, this.#table);
    this.ends.begin(x, runtime, backend, retryReason);
  }

  #withoutBackend(x: Exchange, runtime: PoolRuntime, choice: Choice, retryReason: string): void {
    const { awaitStore, restart, error, ended } = choice;
    if (awaitStore) return this.#session.ask(x, runtime, this.#waiting, () => this.choose(x, runtime, retryReason));
    if (restart) return this.#waiting.searchNow(x);
    if (error === ERRORS.SESSION_LOST) x.outcome = Outcome.lost;
    this.ends.unserved(x, error, ended);
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
