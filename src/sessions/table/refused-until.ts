import type { SessionConfig } from '../../config/schema.ts';

/** A cookie may be dated so far ahead by the clock of another node, ms. */
const SKEW_MS = 60_000;

/**
 * Until when a key that ends now has to be refused (behaviour 24): no cookie of it can be younger than this moment, and
 * none is believed for longer than the idle limit without a row. Sooner than the lifetime is over, so that there is
 * less to remember; and not by when the session began, as a reload may give sessions a longer life.
 */
export function refusedUntil({ idle, lifetime }: Pick<SessionConfig, 'idle' | 'lifetime'>, now: number): number {
  return now + Math.min(idle, lifetime) + SKEW_MS;
}
