import type { SessionEvent, SessionEventName } from './session-journal.ts';

/** How a session can end. */
const ENDS: ReadonlySet<SessionEventName> = new Set(['ended', 'expired', 'evicted']);
const MOST = 10_000;

/** One end of a session. */
export type SessionEnd = Omit<SessionEvent, 'from'>;

/**
 * The last 10,000 ends of sessions, whether or not there is an audit log: for the question why somebody was logged out.
 */
export class RecentEnds {
  readonly #ends: SessionEnd[] = [];
  readonly #most: number;
  #next = 0;

  constructor(most = MOST) {
    this.#most = most;
  }

  /** True for the events that are kept here. */
  static takes({ event }: Pick<SessionEvent, 'event'>): boolean {
    return ENDS.has(event);
  }

  /** Ends that are kept. */
  get size(): number {
    return this.#ends.length;
  }

  /** Keeps an end, in place of the oldest one where there is no room; any other event is passed over. */
  add({ from, ...event }: SessionEvent): void {
    if (!RecentEnds.takes(event)) return;
    this.#ends[this.#next] = event;
    this.#next = (this.#next + 1) % this.#most;
  }

  /** The ends that are asked for, the latest first. @param most at most so many */
  find(isWanted: (end: SessionEnd) => boolean, most: number): SessionEnd[] {
    const found: SessionEnd[] = [];
    const { length } = this.#ends;
    for (let back = 1; back <= length && found.length < most; back++) {
      const end = this.#ends[(this.#next - back + length) % length]!;
      if (isWanted(end)) found.push(end);
    }
    return found;
  }
}
