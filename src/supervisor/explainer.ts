import type { SharedState } from '../backends/shared-state.ts';
import { clientAddress, clientHost, clientScheme } from '../client/client-address.ts';
import { TrustedProxies } from '../client/trusted-proxies.ts';
import type { RateTable } from '../limits/rate-table.ts';
import type { Logger } from '../logging/logger.ts';
import type { RunningModel } from '../model/running-model.ts';
import { buildRuntimes } from '../proxy/build-runtimes.ts';
import { explain } from '../proxy/explain/explain.ts';
import type { ExplainQuery, Explanation } from '../proxy/explain/explanation.ts';
import type { SharedSessions } from '../proxy/explain/read-only-store.ts';
import { buildRouter, type Router } from '../routing/router.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { DeadTurns } from '../turns/dead-turns.ts';
import type { ConnectedPool } from '../upstream/connected-pool.ts';

/** What an Explainer works with: the supervisor's parts. */
interface ExplainerParts {
  /** The model that the workers go by. */
  readonly model: () => RunningModel;
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly rates: RateTable;
  /** The store that nodes share; null: there is none. */
  readonly shared: SharedSessions | null;
  readonly turns: DeadTurns;
  /** Where the first listener listens, such as `http://127.0.0.1:8080`. */
  readonly address: () => string;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/** A model as a worker makes it, without connections. */
interface Made {
  readonly model: RunningModel;
  readonly pools: readonly ConnectedPool[];
  readonly router: Router;
  readonly trusted: TrustedProxies;
}

/**
 * Explains requests by a worker's parts in the supervisor, which carries no traffic: made when somebody asks, and kept
 * until there is another model.
 */
export class Explainer {
  readonly #parts: ExplainerParts;
  #made: Made | null = null;

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /**
   * @returns a sentence, when the question is about something that cannot be a request
   * @throws StartError when a file that the pool reads has gone since the start
   */
  async explain(query: ExplainQuery): Promise<Explanation | string> {
    const { state, table, shared, turns, address, now } = this.#parts;
    const { model, router, pools, trusted } = this.#make();
    return explain(query, {
      router,
      routes: model.config.routes,
      pools,
      state,
      table,
      shared,
      ahead: (key) => turns.ahead(key),
      now: now(),
      client: ({ head, peer, tls }) => {
        const own = trusted.normalise(peer);
        const believed = trusted.has(own);
        return {
          trusted: believed,
          host: clientHost(believed, head, trusted),
          address: clientAddress(own, believed, head, trusted),
          secure: clientScheme(tls, believed, head, trusted) === 'https',
        };
      },
      host: hostOf(address()),
    });
  }

  #make(): Made {
    const model = this.#parts.model();
    if (this.#made?.model === model) return this.#made;
    const pools = buildRuntimes(model, this.#made, { ...this.#parts, signs: null });
    const router = buildRouter(model.config, new Map(pools.map(({ pool }) => [pool.name, pool])));
    this.#made = { model, pools, router, trusted: new TrustedProxies(model.config.trustedProxies) };
    return this.#made;
  }
}

/** A unix socket has no host of its own. */
function hostOf(address: string): string {
  return URL.canParse(address) ? new URL(address).host || 'localhost' : 'localhost';
}
