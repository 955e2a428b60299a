import type { Timed, TimerWheel } from '../timing/timer-wheel.ts';

/** Time until another try at a unix socket whose backlog is full, ms: it says so at once, where TCP tries by itself. */
const NO_ROOM_MS = 50;

/** How long a connection may take to open; one to a unix socket whose backlog is full has as long as one over TCP. */
export class ConnectTime {
  /** When it has to be open, by `wheel.due`. */
  #openBy = 0;
  /** It waits for room in the backlog of a unix socket. */
  #full = false;

  /** @param connection whose deadline this is */
  begin(connection: Timed, wheel: TimerWheel, ms: number): void {
    this.#openBy = wheel.at(ms);
    wheel.set(connection, ms);
  }

  /** The backlog is full. */
  waitForRoom(connection: Timed, wheel: TimerWheel): void {
    this.#full = true;
    wheel.set(connection, NO_ROOM_MS);
  }

  /** Its deadline has come. True: it is to be tried once more, with what is left of its time. */
  triesAgain(connection: Timed, wheel: TimerWheel): boolean {
    if (!this.#full || wheel.due >= this.#openBy) return false;
    this.#full = false;
    wheel.set(connection, Math.max(this.#openBy - wheel.now, 0));
    return true;
  }
}
