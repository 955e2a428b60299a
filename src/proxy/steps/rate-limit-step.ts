import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Route } from '../../routing/router.ts';
import { MACHINE_TIME } from '../../timing/machine-time.ts';
import type { AdmissionStep } from './admission.ts';

/**
 * Pools with `rateLimit`: each request takes a token of its client's address or of its session, or gets 429 with the time until there is one. By address it does so
 * before anything else is looked at: a flood is to cost as little as can be.
 */
export class RateLimitStep implements AdmissionStep {
  readonly #perSession: boolean;

  constructor(per: 'session' | 'ip') {
    this.#perSession = per === 'session';
  }

  isFor(_route: Route, { limiter }: PoolRuntime): boolean {
    return limiter !== null && limiter.perSession === this.#perSession;
  }

  enter(x: Exchange, runtime: PoolRuntime): ErrorKind | null {
    const limiter = runtime.limiter!;
    const now = performance.now() + MACHINE_TIME;
    const wait =
      this.#perSession && x.strategy !== null
        ? limiter.takeOfSession(x.found.key, now)
        : limiter.takeOfAddress(x.client.address, now);
    if (wait === 0) return null;
    x.retryAfter = Math.max(1, Math.ceil(wait / 1_000));
    return ERRORS.RATE_LIMITED;
  }
}
