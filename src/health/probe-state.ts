import type { Health } from '../backends/shared-state.ts';

/** What the probes of a backend have said so far. */
export interface ProbeState {
  readonly health: Health;
  /** Results in a row that speak against `health`. */
  readonly against: number;
}

/** Of a backend that was not probed yet. */
export const UNPROBED: ProbeState = { health: 'unknown', against: 0 };

/** How many results in a row turn the health. */
interface Thresholds {
  readonly rise: number;
  readonly fall: number;
}

/**
 * The state after one more result, and whether the health flipped with it (behaviours 40, 41). The first success of an
 * unknown backend makes it up; its failures count as those of one that is up, since it carries traffic just the same.
 */
export function observe(
  before: ProbeState,
  ok: boolean,
  { rise, fall }: Thresholds,
): ProbeState & { readonly flipped: boolean } {
  const { health } = before;
  if (health === 'unknown' && ok) return { health: 'up', against: 0, flipped: true };
  if (ok === (health !== 'down')) return { health, against: 0, flipped: false };
  const against = before.against + 1;
  if (against < (ok ? rise : fall)) return { health, against, flipped: false };
  return { health: ok ? 'up' : 'down', against: 0, flipped: true };
}
