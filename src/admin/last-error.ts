import type { SharedState } from '../backends/shared-state.ts';
import type { ErrorCode } from '../errors.ts';

/** ms after which the last error of a backend that has been well ever since says nothing of it any more. */
const TOLD_MS = 10 * 60_000;

/**
 * What failed last at a backend and when, ms since epoch; null: nothing yet, or nothing for so long that it is history.
 */
export function lastErrorOf(state: SharedState, slot: number, now: number): { code: ErrorCode; at: number } | null {
  const code = state.lastError(slot);
  if (code === null) return null;
  const at = state.lastErrorAt(slot);
  const isOut = state.health(slot) === 'down' || state.ejected(slot);
  // It came back only lately: what took it out is still of interest, however long ago that was.
  const isOld = now - Math.max(at, state.lastChange(slot)) > TOLD_MS;
  return isOld && !isOut ? null : { code, at };
}
