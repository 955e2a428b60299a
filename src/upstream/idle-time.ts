import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';

/**
 * How long a connection is kept without use when the backend does not say: under the 5 s of Node, Apache and uvicorn,
 * so that their closing does not race with a request (behaviour 68).
 */
const IDLE_MS = 4_000;

/**
 * Whether a connection to a backend may carry another exchange behind this one, and how long it may lie idle until
 * then.
 */
export class IdleTime {
  /** The backend keeps the connection open behind its response. */
  keepsOpen = false;
  /** How long, ms. */
  ms = IDLE_MS;
  /** The backend has said for how long it keeps it. */
  endsSoon = false;
  /**
   * Since when it lies idle, by performance.now, or before that: its last answer may have waited for limpet through a
   * pause.
   */
  #since = 0;

  /** The head of a final response has come. @param untilClose its body ends with the connection */
  read(head: Head, untilClose: boolean): void {
    this.keepsOpen = head.keepAlive && !untilClose && !announcesBodyInVain(head);
    this.endsSoon = head.has(HeaderId.keepAlive);
    this.ms = this.endsSoon ? saidMs(head) : IDLE_MS;
  }

  /** It lies idle from here on. */
  begin(wheel: TimerWheel): void {
    this.#since = wheel.heardUntil;
  }

  /**
   * Whether it has been idle for too long. A deadline on the wheel counts no pause of limpet's own, but the backend has
   * not waited.
   * @param now by performance.now; may lie behind
   */
  isOver(now: number, wheel: TimerWheel): boolean {
    return Math.max(now, wheel.lookedAt) - this.#since >= this.ms;
  }

  /**
   * Whether limpet stood still meanwhile: then it may have been closed, and nobody has told yet. @param now as above
   */
  sawPause(now: number, wheel: TimerWheel): boolean {
    return wheel.paused(this.#since, Math.max(now, wheel.lookedAt));
  }
}

/** Under what the backend says in Keep-Alive: timeout=N, if it says it there. */
function saidMs(head: Head): number {
  const value = head.value(head.findId(HeaderId.keepAlive)).toLowerCase();
  const at = value.indexOf('timeout=');
  if (at < 0) return IDLE_MS;
  const seconds = Number.parseInt(value.slice(at + 8), 10);
  if (!(seconds >= 0)) return IDLE_MS;
  return Math.max(seconds * 1000 - 1000, seconds * 500);
}

/**
 * A body that these statuses cannot have is announced all the same: a backend that sends it would have it taken for the
 * answer to the next request. A Content-Length in a 304 is that of the 200, and usual.
 */
function announcesBodyInVain(head: Head): boolean {
  return (head.status === 204 && (head.chunked || head.contentLength > 0)) || (head.status === 304 && head.chunked);
}
