import { Timed, type TimerWheel } from '../timing/timer-wheel.ts';
import type { BackendDialer } from './backend-dialer.ts';
import type { ConnectWaiter } from './connect-waiter.ts';

/**
 * New connections of one worker to one backend that have not said a word yet. A server accepts as many at once as its
 * backlog has room for (511 with Node and nginx, 100 with many others), and what comes on top waits for TCP to try
 * again: a second, then two more, which is longer than `timeouts.connect`. Connections that are answered make room for
 * the next ones at once.
 */
const CONNECTS_AT_ONCE = 128;
/**
 * How long an open connection is waited for to say its first word: a server that takes its time to answer (long
 * polling) has long accepted it. What the wheel adds to each deadline, two to three ticks, is enough.
 */
const SILENT_MS = 0;

/**
 * Whose turn it is to connect to one backend. Requests that find no free connection and no turn wait in the order in
 * which they came, for a turn or for a connection that comes free. Usually there is a turn: then all this is one
 * compare for a new connection.
 */
export class ConnectQueue<W extends ConnectWaiter<W>> extends Timed {
  /** The one that has waited longest; null, as a rule: none waits. */
  first: W | null = null;
  readonly #dialer: BackendDialer | null;
  #last: W | null = null;
  /** Connections that are not open yet. */
  #connecting = 0;
  /** Connections that opened in this period and have not said a word. */
  #silent = 0;
  /** Number of the period. */
  #period = 0;
  #waking = false;

  constructor(dialer: BackendDialer | null) {
    super();
    this.#dialer = dialer;
  }

  /** Whether a connection may be opened now. */
  get free(): boolean {
    return this.#connecting + this.#silent < CONNECTS_AT_ONCE;
  }

  /** A connection begins to be opened. */
  began(): void {
    this.#connecting++;
  }

  /** It is open. @returns the period, for `firstByte` */
  opened(wheel: TimerWheel): number {
    this.#connecting--;
    this.#silent++;
    if (this.deadline === 0) wheel.set(this, SILENT_MS);
    return this.#period;
  }

  /** It has said its first word, or has closed, after it was open. */
  firstByte(period: number): void {
    if (period !== this.#period) return;
    this.#silent--;
    if (this.first !== null) this.wake();
  }

  /** It did not open. */
  failed(): void {
    this.#connecting--;
    if (this.first !== null) this.wake();
  }

  onDeadline(): void {
    this.#period++;
    this.#silent = 0;
    if (this.first !== null) this.wake();
  }

  wait(upstream: W): void {
    upstream.nextWaiting = null;
    upstream.previousWaiting = this.#last;
    if (this.#last === null) this.first = upstream;
    else this.#last.nextWaiting = upstream;
    this.#last = upstream;
  }

  leave(upstream: W): void {
    const { nextWaiting: nextTurn, previousWaiting: previousTurn } = upstream;
    if (previousTurn !== null) previousTurn.nextWaiting = nextTurn;
    else if (this.first === upstream) this.first = nextTurn;
    else return;
    if (nextTurn !== null) nextTurn.previousWaiting = previousTurn;
    else this.#last = previousTurn;
    upstream.nextWaiting = null;
    upstream.previousWaiting = null;
  }

  /** Lets those that wait connect, as many as may connect at once. */
  wake(): void {
    // What is told to one that waits may come back here.
    if (this.#waking) return;
    this.#waking = true;
    try {
      for (let next = this.first; next !== null; next = this.first) {
        const x = next.exchange;
        if (!this.free && (x === null || !(this.#dialer?.isOpen(x) ?? false))) break;
        this.leave(next);
        next.connectNow();
      }
    } finally {
      this.#waking = false;
    }
  }

  /** The one that has waited longest of those that `upstream`, which has come free, is good for; null: none. */
  nextFor(upstream: W): W | null {
    let next = this.first;
    while (next !== null && !next.canReuse(upstream)) next = next.nextWaiting;
    return next;
  }
}
