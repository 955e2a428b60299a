import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../forwarding/exchange.ts';
import type { PoolTraffic } from '../forwarding/pool-traffic.ts';
import { MACHINE_TIME } from '../timing/machine-time.ts';
import type { AdmissionStep } from './admission.ts';

/** Pools with `rateLimit`: each request takes a token of its session or of its client's address, or gets 429 with the time until there is one. */
export class RateLimitStep implements AdmissionStep {
  enter(x: Exchange, { limiter }: PoolTraffic): ErrorKind | null {
    if (limiter === null) return null;
    const now = performance.now() + MACHINE_TIME;
    const wait =
      limiter.perSession && x.strategy !== null
        ? limiter.takeOfSession(x.found.key, now)
        : limiter.takeOfAddress(x.client.address, now);
    if (wait === 0) return null;
    x.retryAfter = Math.max(1, Math.ceil(wait / 1_000));
    return ERRORS.RATE_LIMITED;
  }
}
