/** What is left of a backend that drains. */
export interface DrainLook {
  readonly state: string;
  readonly sessions: number;
  readonly activeRequests: number;
}

/** How far a drain is. */
export interface DrainProgress {
  readonly sessions: number;
  readonly requests: number;
  /** Until the sessions that are left are moved, ms; 0: it is time. Null: they may take as long as they want. */
  readonly remaining: number | null;
}

/** How a drain ended. */
export interface DrainEnd {
  /**
   * `empty`: nothing is left. `gone`: the backend has left the configuration, as one that departs does at its end.
   * `stayed`: sessions are left that no other backend can take. `ready`: somebody made it ready again. `interrupted`:
   * the caller waits no longer; it goes on draining.
   */
  readonly how: 'empty' | 'gone' | 'stayed' | 'ready' | 'interrupted';
  readonly sessions: number;
  readonly requests: number;
  /** Sessions that were moved at the deadline. */
  readonly moved: number;
}

/** What a drain is watched and driven by. */
interface DrainParts {
  /** Null: there is no such backend any more. */
  readonly look: () => Promise<DrainLook | null>;
  /** Moves the sessions that are left; `stayed` had nowhere to go. */
  readonly evacuate: () => Promise<{ readonly moved: number; readonly stayed: number }>;
  /** Monotonic, ms. */
  readonly now: () => number;
  /** Settles after so many ms, or when the wait is interrupted. */
  readonly pause: (ms: number) => Promise<void>;
  readonly isInterrupted: () => boolean;
  readonly show: (progress: DrainProgress) => void;
}

const LOOK_EVERY = 500;
/** Sessions that come back by their signed cookie after they were moved: each pass goes through the whole table. */
const EVACUATE_EVERY = 5_000;

/**
 * Waits until a backend that drains has no session and no request left. When `deadline` has passed (ms from now; null:
 * never), what sessions are left are moved, and the requests under way are still waited for.
 */
export async function waitForDrain(parts: DrainParts, deadline: number | null): Promise<DrainEnd> {
  const { look, evacuate, now, pause, isInterrupted, show } = parts;
  const until = deadline === null ? Number.POSITIVE_INFINITY : now() + deadline;
  let evacuateAt = until;
  let moved = 0;
  let stuck = false;
  let sessions = 0;
  let requests = 0;
  for (;;) {
    const seen = await look();
    if (seen === null) return { how: 'gone', sessions: 0, requests: 0, moved };
    sessions = seen.sessions;
    requests = seen.activeRequests;
    const end = (how: DrainEnd['how']): DrainEnd => ({ how, sessions, requests, moved });
    if (seen.state === 'ready') return end('ready');
    if (isInterrupted()) return end('interrupted');
    if (sessions === 0 && requests === 0) return end('empty');
    // A session that stays now may find a place while the last requests end.
    if (stuck && requests === 0) return end('stayed');
    stuck = false;
    show({ sessions, requests, remaining: deadline === null ? null : Math.max(0, until - now()) });
    if (now() >= evacuateAt && sessions > 0) {
      const result = await evacuate();
      moved += result.moved;
      stuck = result.moved === 0 && result.stayed > 0;
      evacuateAt = now() + EVACUATE_EVERY;
      continue;
    }
    const soon = evacuateAt - now();
    await pause(soon > 0 ? Math.min(LOOK_EVERY, soon) : LOOK_EVERY);
  }
}
