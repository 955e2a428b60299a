import { ERRORS, type ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Route } from '../../routing/router.ts';
import { MACHINE_TIME } from '../../timing/machine-time.ts';
import { spokenTime } from '../explain/spoken-time.ts';
import type { AdmissionStep } from './admission.ts';
import { passed } from './passed.ts';
import type { Looked, StepKind } from './step-kind.ts';

/**
 * Pools with `rateLimit`: each request takes a token of its client's address or of its session, or gets 429 with the
 * time until there is one. By address it does so before anything else is looked at: a flood is to cost as little as can
 * be.
 */
class RateLimitStep implements AdmissionStep {
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

/** `rateLimit: { per: ip }`. */
export const ADDRESS_LIMIT: StepKind = {
  name: 'address-limit',
  make: () => new RateLimitStep('ip'),
  look: (x, runtime) => look(x, runtime, false),
};

/** `rateLimit: { per: session }`. */
export const SESSION_LIMIT: StepKind = {
  name: 'session-limit',
  make: () => new RateLimitStep('session'),
  look: (x, runtime) => look(x, runtime, true),
};

function look(x: Exchange, { limiter }: PoolRuntime, perSession: boolean): Looked | null {
  if (limiter === null || limiter.perSession !== perSession) return null;
  const now = performance.now() + MACHINE_TIME;
  const session = perSession && x.strategy !== null;
  const wait = session ? limiter.peekSession(x.found.key, now) : limiter.peekAddress(x.client.address, now);
  const whose = session ? 'the session' : "the client's address";
  const limit = `a request every ${spokenTime(limiter.interval)} for ${whose}, ${limiter.burst} at once`;
  if (wait === 0) return passed('rate-limit', 'below', `Within ${limit}.`);
  return {
    step: { step: 'rate-limit', outcome: 'over', detail: `Over ${limit}: the next one in ${spokenTime(wait)}.` },
    error: ERRORS.RATE_LIMITED,
  };
}
