import type { AffinityStrategy } from '../../affinity/strategy.ts';
import type { Backend } from '../../backends/backend.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import { openCandidates } from '../../balancing/candidates.ts';
import { POLICIES } from '../../balancing/registry.ts';
import type { RouteConfig } from '../../config/schema.ts';
import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { AttemptEvents } from '../../exchange/attempt-events.ts';
import { Exchange } from '../../exchange/exchange.ts';
import { ConnectionToken } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { OUTCOMES, Outcome } from '../../metrics/outcomes.ts';
import type { Router } from '../../routing/router.ts';
import { MoveReason } from '../../sessions/table/move-reasons.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { PoolRuntime } from '../../upstream/pool-runtime.ts';
import { upgradeProtocol } from '../../upstream/tunnel.ts';
import { chooseBackend } from '../choose.ts';
import { REQUEST_STEPS, type RequestStep } from '../request-steps.ts';
import { acceptSession, answered, findSession, Search } from '../session/session-search.ts';
import { affinitySteps, sourceOf } from './affinity-steps.ts';
import { answerStep } from './answer-step.ts';
import { explainChoice } from './backend-step.ts';
import type { ExplainCandidate, ExplainQuery, ExplainStep, Explanation } from './explanation.ts';
import { GUARD_STEPS } from './guard-steps.ts';
import { type ClientAsTold, ImaginedClient } from './imagined-client.ts';
import { type ImaginedRequest, imagineRequest } from './imagined-request.ts';
import { ReadOnlyStore, type SharedSessions } from './read-only-store.ts';
import { ReadOnlyTable } from './read-only-table.ts';
import { routeStep } from './route-step.ts';
import type { Trail } from './trail.ts';
import { WatchedIssuer, WatchedStrategy } from './watched-strategy.ts';

/** What a request is explained by: the parts of a worker, and views of what a request would change. */
export interface ExplainParts {
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

/** A pool's keys can be waited for, and a store be asked, so often for one request. */
const MOST_WAITS = 16;
/** So many draws of a policy tell whether it has a choice. */
const DRAWS = 32;

/**
 * What a request would get if it came now: by the router, the strategies, the search for the session and the choice of the backend that requests go through, over
 * live state. Sends nothing and changes nothing: no row, no counter, nobody's turn.
 * @returns a sentence, when the question is about something that cannot be a request
 */
export async function explain(query: ExplainQuery, parts: ExplainParts): Promise<Explanation | string> {
  const request = imagineRequest(query, parts.host);
  return typeof request === 'string' ? request : new Inquiry(request, parts).run();
}

/** One question. */
class Inquiry {
  readonly #request: ImaginedRequest;
  readonly #parts: ExplainParts;
  readonly #x: Exchange;
  readonly #steps: ExplainStep[] = [];
  readonly #trail: Trail = [];
  readonly #table: ReadOnlyTable;
  readonly #store: ReadOnlyStore;
  #candidates: readonly ExplainCandidate[] = [];
  #certain = true;
  #conclusion: Explanation | null = null;

  constructor(request: ImaginedRequest, parts: ExplainParts) {
    this.#request = request;
    this.#parts = parts;
    this.#x = new Exchange(new ImaginedClient(parts.client(request)), NOBODY);
    this.#x.reset();
    this.#table = new ReadOnlyTable(parts.table, this.#trail);
    this.#store = new ReadOnlyStore(this.#table, parts.shared, this.#trail);
  }

  async run(): Promise<Explanation> {
    const { head } = this.#request;
    this.#note(this.#requestStep());
    if (head.method === 'CONNECT') return this.#refuse(ERRORS.METHOD_NOT_ALLOWED);
    if (head.expect === 2) return this.#refuse(ERRORS.EXPECTATION_FAILED);
    for (const step of REQUEST_STEPS) {
      const error = await this.#take(step);
      if (error !== null) return this.#refuse(error);
    }
    return this.#conclusion!;
  }

  /** Takes one of the steps that requests pass. Answers what it would be refused with. */
  async #take(name: RequestStep): Promise<ErrorKind | null> {
    const x = this.#x;
    if (name === 'route') return this.#route();
    if (name === 'session') return this.#session(x.runtime!);
    if (name === 'backend') {
      this.#conclusion = await this.#choose(x.runtime!);
      return null;
    }
    const looked = GUARD_STEPS[name](x, x.runtime!, this.#parts.ahead, this.#request.head);
    if (looked === null) return null;
    this.#note(looked.step);
    return looked.error;
  }

  #route(): ErrorKind | null {
    const { head } = this.#request;
    const { router, routes, pools } = this.#parts;
    const x = this.#x;
    const trace = router.trace(head);
    this.#note(routeStep(trace, routes, head));
    const { route } = trace;
    if (route === null) return ERRORS.NO_ROUTE;
    x.route = route;
    x.method = head.method;
    if ((head.connection & ConnectionToken.upgrade) !== 0) x.upgrade = upgradeProtocol(head);
    x.pool = route.pool;
    x.runtime = this.#watched(pools.find(({ pool }) => pool.index === route.pool.index)!);
    return null;
  }

  async #session(runtime: PoolRuntime): Promise<ErrorKind | null> {
    const { pool } = runtime;
    const { sticky } = this.#x.route!;
    this.#note({
      step: 'pool',
      outcome: pool.name,
      detail: `${pool.backends.length} backend${pool.backends.length === 1 ? '' : 's'}; new sessions by ${pool.config.balance}; keys: ${pool.config.affinity.map(sourceOf).join(', then ') || 'none'}.`,
    });
    if (sticky && runtime.strategies.length > 0) {
      const error = await this.#search(runtime);
      for (const step of affinitySteps(this.#trail, pool, this.#parts.now)) this.#note(step);
      if (error === null) this.#noteJoins(runtime);
      return error;
    }
    const why = sticky ? 'The affinity of the pool is an empty list' : 'The route has sticky: false';
    this.#note({ step: 'affinity', outcome: 'none', detail: `${why}: no session is looked for.` });
    return null;
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

  /** Looks for the session as a request does; what has to be waited for is waited for. */
  async #search(runtime: PoolRuntime): Promise<ErrorKind | null> {
    const x = this.#x;
    const { now } = this.#parts;
    if (this.#store.refuses) return ERRORS.STORE_DOWN;
    const find = () => findSession(x, this.#request.head, runtime, this.#table, this.#store, now);
    let search = find();
    for (let waits = 0; search !== Search.done; waits++) {
      if (search === Search.rejected) return ERRORS.UNAUTHORIZED;
      if (search === Search.foreign) return ERRORS.BINDING_MISMATCH;
      if (search === Search.unavailable) return ERRORS.KEYS_DOWN;
      if (search === Search.refused || waits === MOST_WAITS) return ERRORS.STORE_DOWN;
      if (search === Search.awaitStore) {
        search = answered(x, runtime, this.#table, await x.asked!, now);
        continue;
      }
      if (search === Search.awaitKeys) await x.found.wait;
      search = find();
    }
    return null;
  }

  async #choose(runtime: PoolRuntime): Promise<Explanation> {
    const x = this.#x;
    const { state, now } = this.#parts;
    const { pool } = runtime;
    if (x.untouched) acceptSession(x, runtime, this.#table);
    for (let waits = 0; ; waits++) {
      const choice = chooseBackend(x, runtime, state, this.#table, this.#store);
      if (choice.awaitStore && waits < MOST_WAITS) {
        answered(x, runtime, this.#table, await x.asked!, now);
        continue;
      }
      if (choice.restart && waits < MOST_WAITS) {
        const refused = await this.#search(runtime);
        if (refused !== null) return this.#refuse(refused);
        continue;
      }
      const { backend, error } = choice;
      if (error === ERRORS.SESSION_LOST && backend === null) x.outcome = Outcome.lost;
      this.#certain = backend === null || x.bound || backend === x.boundBackend || this.#isSettled(runtime);
      const { step, candidates } = explainChoice(x, pool, state, backend, error, this.#certain);
      this.#candidates = candidates;
      this.#note(step);
      if (backend === null) return this.#conclude(null, error);
      this.#note(answerStep(x, this.#request.head, backend, runtime, now));
      if (x.bound && backend !== x.boundBackend)
        x.outcome = x.moveReason === MoveReason.failback ? Outcome.returned : Outcome.moved;
      else if (x.hasRow && x.row.movedFrom >= 0) x.outcome = Outcome.moved;
      return this.#conclude(backend, null);
    }
  }

  /** Whether the policy has nothing to choose between. */
  #isSettled({ pool, policy, candidates }: PoolRuntime): boolean {
    const x = this.#x;
    const count = openCandidates(pool, this.#parts.state, [], 0, candidates);
    if (count === 1) return true;
    const keyed = x.strategy !== null && !x.fresh;
    const { balance } = pool.config;
    if (balance === 'hash') return keyed;
    if (balance !== 'least-requests') return false;
    const first = policy.pick(candidates, count, null);
    for (let draw = 1; draw < DRAWS; draw++) if (policy.pick(candidates, count, null) !== first) return false;
    return true;
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
    return new PoolRuntime(
      own.pool,
      { strategies, issuer, binding: own.binding, users: own.users },
      own.triggers,
      policy,
      null,
      own.limiter,
      own,
    );
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

  #refuse(error: ErrorKind): Explanation {
    this.#note({
      step: 'answer',
      outcome: String(error.status),
      detail: `limpet answers ${error.status} ${error.code}: ${error.text}`,
    });
    return this.#conclude(null, error);
  }

  #conclude(backend: Backend | null, error: ErrorKind | null): Explanation {
    const x = this.#x;
    return {
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
    };
  }
}

/** Nothing is sent, so that nothing is reported. */
const NOBODY = {} as AttemptEvents;
