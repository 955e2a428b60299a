import type { AffinityStrategy } from '../../affinity/strategy.ts';
import type { Backend } from '../../backends/backend.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import { openCandidates } from '../../balancing/candidates.ts';
import { POLICIES } from '../../balancing/registry.ts';
import type { RouteConfig } from '../../config/schema.ts';
import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { AttemptEvents } from '../../exchange/attempt-events.ts';
import { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { OUTCOMES, Outcome } from '../../metrics/outcomes.ts';
import type { Route, Router } from '../../routing/router.ts';
import { MoveReason } from '../../sessions/table/move-reasons.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { threadWheel } from '../../timing/thread-wheel.ts';
import { Handler } from '../handler.ts';
import type { RequestEnds } from '../request-ends.ts';
import { RequestHeads } from '../request-heads.ts';
import { RequestIds } from '../request-ids.ts';
import { REQUEST_STEPS } from '../request-steps.ts';
import type { AdmissionStep } from '../steps/admission.ts';
import type { Look } from '../steps/step-kind.ts';
import { affinitySteps, sourceOf } from './affinity-steps.ts';
import { answerStep } from './answer-step.ts';
import { explainChoice } from './backend-step.ts';
import { ExplainedSession } from './explained-session.ts';
import type { ExplainCandidate, ExplainQuery, ExplainStep, Explanation } from './explanation.ts';
import { type ClientAsTold, ImaginedClient } from './imagined-client.ts';
import { type ImaginedRequest, imagineRequest } from './imagined-request.ts';
import { ReadOnlyStore, type SharedSessions } from './read-only-store.ts';
import { ReadOnlyTable } from './read-only-table.ts';
import { routeStep } from './route-step.ts';
import type { Trail } from './trail.ts';
import { WatchedIssuer, WatchedStrategy } from './watched-strategy.ts';

/** What a request is explained by: the parts of a worker, and views of what a request would change. */
interface ExplainParts {
  readonly router: Router;
  readonly routes: readonly RouteConfig[];
  readonly pools: readonly PoolRuntime[];
  readonly state: SharedState;
  readonly table: SessionTable;
  /** The store that nodes share; null: there is none. */
  readonly shared: SharedSessions | null;
  /** How many requests of a session have their turn or wait for it. */
  readonly ahead: (key: Key) => number;
  /** Wall clock, ms since epoch. */
  readonly now: number;
  /** Who the client is, as far as trusted proxies say so. */
  readonly client: (request: ImaginedRequest) => ClientAsTold;
  /** Host of a question that names none. */
  readonly host: string;
}

/**
 * What a request would get if it came now: it passes the sequence of the handler, over live state, with steps that look
 * and do nothing. Sends nothing and changes nothing: no row, no counter, nobody's turn.
 * @returns a sentence, when the question is about something that cannot be a request
 */
export async function explain(query: ExplainQuery, parts: ExplainParts): Promise<Explanation | string> {
  const request = imagineRequest(query, parts.host);
  if (typeof request === 'string') return request;
  return new Promise((resolve, reject) => new Inquiry(request, parts, resolve, reject).run());
}

/** One question: where the sequence of its request ends it is answered. */
class Inquiry implements RequestEnds {
  readonly #request: ImaginedRequest;
  readonly #parts: ExplainParts;
  readonly #conclude: (explanation: Explanation) => void;
  readonly #fail: (error: unknown) => void;
  readonly #x: Exchange;
  readonly #steps: ExplainStep[] = [];
  readonly #trail: Trail = [];
  /** The search for the session has begun, and what came of it is not told yet. */
  #searches = false;
  #candidates: readonly ExplainCandidate[] = [];
  #certain = true;

  constructor(
    request: ImaginedRequest,
    parts: ExplainParts,
    conclude: (explanation: Explanation) => void,
    fail: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#parts = parts;
    this.#conclude = conclude;
    this.#fail = fail;
    this.#x = new Exchange(new ImaginedClient(parts.client(request)), NOBODY);
  }

  run(): void {
    const x = this.#x;
    const { head } = this.#request;
    x.reset();
    x.text = head.text;
    x.method = head.method;
    x.minor = head.minor;
    x.host = head.host;
    x.pathStart = head.pathStart;
    x.pathEnd = head.pathEnd;
    try {
      this.#note(this.#requestStep());
      this.#handler().handle(x, head);
    } catch (error) {
      this.#fail(error);
    }
  }

  #handler(): Handler<Inquiry> {
    const { head } = this.#request;
    const { router, pools, state, now } = this.#parts;
    const heads = new RequestHeads();
    heads.latest = head;
    const table = new ReadOnlyTable(this.#parts.table, this.#trail);
    const store = new ReadOnlyStore(table, this.#parts.shared, this.#trail);
    const session = new ExplainedSession(table, store, (runtime, looks) => this.#noteSearch(runtime, looks));
    const pool = router.match(head)?.pool.index;
    return new Handler<Inquiry>({
      wheel: threadWheel,
      clock: { at: () => now },
      heads,
      ids: new RequestIds(''),
      router: { match: () => this.#route() },
      pools: pools.filter((runtime) => runtime.pool.index === pool).map((runtime) => this.#watched(runtime)),
      state,
      table,
      store,
      steps: REQUEST_STEPS.map(({ look }) => (look === null ? session : this.#look(look))),
      session,
      explain: null,
      ends: () => this,
    });
  }

  #route(): Route | null {
    const { head } = this.#request;
    const { router, routes } = this.#parts;
    const trace = router.trace(head);
    this.#note(routeStep(trace, routes, head));
    return trace.route;
  }

  #look(look: Look): AdmissionStep {
    return {
      isFor: () => true,
      enter: (x, runtime) => {
        if (this.#searches) this.#noteFound(runtime, true);
        const looked = look(x, runtime, this.#request.head, this.#parts.ahead);
        if (looked === null) return null;
        this.#note(looked.step);
        return looked.error;
      },
    };
  }

  #noteSearch({ pool }: PoolRuntime, looks: boolean): void {
    this.#note({
      step: 'pool',
      outcome: pool.name,
      detail: `${pool.backends.length} backend${pool.backends.length === 1 ? '' : 's'}; new sessions by ${pool.config.balance}; keys: ${pool.config.affinity.map(sourceOf).join(', then ') || 'none'}.`,
    });
    this.#searches = looks;
    if (looks) return;
    const why = this.#x.route!.sticky ? 'The affinity of the pool is an empty list' : 'The route has sticky: false';
    this.#note({ step: 'affinity', outcome: 'none', detail: `${why}: no session is looked for.` });
  }

  /** What came of the search. */
  #noteFound(runtime: PoolRuntime, passed: boolean): void {
    this.#searches = false;
    for (const step of affinitySteps(this.#trail, runtime.pool, this.#parts.now)) this.#note(step);
    if (passed) this.#noteJoins(runtime);
  }

  /** What becomes of keys that name nothing yet. */
  #noteJoins({ pool }: PoolRuntime): void {
    const { joins, keys } = this.#x;
    for (const [place, config] of pool.config.affinity.entries()) {
      if ((joins & (1 << place)) === 0) continue;
      const detail = `${format(keys[place]!.key)}, by ${sourceOf(config)}, names no session: when a backend has answered it is another name of this one.`;
      this.#note({ step: 'affinity', outcome: 'joins', detail });
    }
  }

  begin(x: Exchange, runtime: PoolRuntime, backend: Backend): void {
    this.#certain = x.bound || backend === x.boundBackend || this.#isSettled(runtime);
    this.#noteChoice(runtime, backend, ERRORS.NO_BACKEND);
    this.#note(answerStep(x, this.#request.head, backend, runtime, this.#parts.now));
    if (x.bound && backend !== x.boundBackend)
      x.outcome = x.moveReason === MoveReason.failback ? Outcome.returned : Outcome.moved;
    else if (x.hasRow && x.row.movedFrom >= 0) x.outcome = Outcome.moved;
    this.#end(backend, null);
  }

  unserved(x: Exchange, kind: ErrorKind): void {
    this.#noteChoice(x.runtime!, null, kind);
    this.#end(null, kind);
  }

  answer(x: Exchange, kind: ErrorKind): void {
    if (this.#searches) this.#noteFound(x.runtime!, false);
    this.#note({
      step: 'answer',
      outcome: String(kind.status),
      detail: `limpet answers ${kind.status} ${kind.code}: ${kind.text}`,
    });
    this.#end(null, kind);
  }

  answerHere(): void {
    this.#note({ step: 'answer', outcome: '200', detail: 'limpet answers itself: Max-Forwards is 0.' });
    this.#end(null, null);
  }

  defect(_x: Exchange, error: unknown): void {
    this.#fail(error);
  }

  #noteChoice({ pool }: PoolRuntime, backend: Backend | null, kind: ErrorKind): void {
    const { step, candidates } = explainChoice(this.#x, pool, this.#parts.state, backend, kind, this.#certain);
    this.#candidates = candidates;
    this.#note(step);
  }

  /** Whether the policy has nothing to choose between. */
  #isSettled({ pool, policy, candidates }: PoolRuntime): boolean {
    const x = this.#x;
    const count = openCandidates(pool, this.#parts.state, [], 0, candidates);
    // The id of a new session is another one at each request.
    const key = x.strategy === null || x.fresh ? null : x.found.key;
    return policy.isSettled(candidates, count, key);
  }

  /** The pool with strategies that note what they find, and a policy of its own: no worker's turn is taken. */
  #watched(own: PoolRuntime): PoolRuntime {
    const { state } = this.#parts;
    let issuer: WatchedIssuer | null = null;
    const strategies = own.strategies.map((strategy: AffinityStrategy, place) => {
      if (strategy !== own.issuer) return new WatchedStrategy(strategy, place, this.#trail);
      issuer = new WatchedIssuer(own.issuer, place, this.#trail);
      return issuer;
    });
    const policy = POLICIES[own.pool.config.balance]({ state, random: Math.random, slots: state.slots });
    const learners = strategies.filter(({ learn }) => learn !== null);
    const unused = { outlier: null, candidates: [], active: 0, retrying: 0 };
    return { ...own, strategies, learners, issuer, policy, ...unused };
  }

  #requestStep(): ExplainStep {
    const { head, assumed } = this.#request;
    const { address, secure } = this.#x.client;
    const notes = assumed.length === 0 ? '' : ` (${assumed.join('; ')})`;
    // The query is left out: it may hold a key.
    const detail = `${head.method} ${head.path} for ${head.host}, from ${address} by ${secure ? 'https' : 'http'}${notes}.`;
    return { step: 'request', outcome: head.method, detail };
  }

  #note(step: ExplainStep): void {
    this.#steps.push(step);
  }

  #end(backend: Backend | null, error: ErrorKind | null): void {
    const x = this.#x;
    this.#conclude({
      route: x.route?.index ?? null,
      pool: x.pool?.name ?? null,
      session: x.strategy === null || x.fresh ? null : format(x.found.key),
      outcome: OUTCOMES[x.outcome]!,
      backend: backend?.id ?? null,
      certain: this.#certain,
      candidates: this.#candidates,
      error: backend === null ? (error?.code ?? null) : null,
      status: backend === null ? (error?.status ?? null) : null,
      steps: this.#steps,
    });
  }
}

/** Nothing is sent, so that nothing is reported. */
const NOBODY = {} as AttemptEvents;
