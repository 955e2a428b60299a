import type { Pool } from '../../../backends/pool.ts';

/** How long Redis keeps a session beyond its idle limit: what the nodes write behind may be so late. */
const MARGIN = 15_000;
/** Kept by a pool without limits. */
const LONGEST = 30 * 24 * 3600_000;
/**
 * An end that leaves nothing behind is remembered for so long: a node that has not heard of it writes the session once
 * more.
 */
export const FORGET_MS = 15_000;

/** How long Redis keeps a session that was seen at `now`, in whole ms. */
export function keepMs(pool: Pool, created: number, now: number): number {
  const { idle, lifetime } = pool.config.session;
  const byIdle = idle > 0 && Number.isFinite(idle) ? idle + MARGIN : LONGEST;
  const byLifetime = lifetime > 0 && Number.isFinite(lifetime) ? created + lifetime - now : LONGEST;
  return Math.max(1, Math.ceil(Math.min(byIdle, byLifetime)));
}

/** A limit as the scripts read it: 0 is none. */
export function limit(ms: number): number {
  return Number.isFinite(ms) ? ms : 0;
}
