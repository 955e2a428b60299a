import type { TimerWheel } from '../timing/timer-wheel.ts';

/** What a place is taken in: ConnectQueue. */
interface Places {
  began(): void;
  opened(wheel: TimerWheel): number;
  firstByte(period: number): void;
  failed(): void;
}

const Place = { none: 0, connecting: 1, silent: 2 } as const;

/**
 * The place of one connection among those that are being opened, or are open and have not said a word: given back once.
 */
export class ConnectPlace {
  readonly #places: Places;
  #place: number = Place.none;
  #period = 0;

  constructor(places: Places) {
    this.#places = places;
  }

  /** The connection begins to be opened. */
  take(): void {
    this.#place = Place.connecting;
    this.#places.began();
  }

  /** It is open. */
  opened(wheel: TimerWheel): void {
    if (this.#place !== Place.connecting) return;
    this.#place = Place.silent;
    this.#period = this.#places.opened(wheel);
  }

  /** It has said its first word, or is closed. */
  leave(): void {
    const was = this.#place;
    if (was === Place.none) return;
    this.#place = Place.none;
    if (was === Place.connecting) this.#places.failed();
    else this.#places.firstByte(this.#period);
  }
}
