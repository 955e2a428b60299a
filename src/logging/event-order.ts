/** Something with a place in the sequence that all threads share, see EventSequence. */
export interface Numbered {
  readonly sequence: number;
}

/** Brings events that come from several threads, each in its own time, back into their order. */
export class EventOrder<Event extends Numbered> {
  readonly #waiting = new Map<number, Event>();
  readonly #emit: (event: Event) => void;
  #next: number;

  /**
   * @param emit gets the events in order
   * @param first number of the first one
   */
  constructor(emit: (event: Event) => void, first = 0) {
    this.#emit = emit;
    this.#next = first;
  }

  /** Events that wait for one before them. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The number that is missing while any wait. */
  get next(): number {
    return this.#next;
  }

  /**
   * Takes an event in, and emits it and those after it when their turn has come. One that comes after its gap was
   * passed over is emitted at once.
   */
  add(event: Event): void {
    const ahead = (event.sequence - this.#next) | 0;
    if (ahead < 0) return this.#emit(event);
    if (ahead > 0) {
      this.#waiting.set(event.sequence, event);
      return;
    }
    this.#next = (this.#next + 1) >>> 0;
    this.#emit(event);
    this.#go();
  }

  /** Does not wait for the missing one any longer: goes on with the first that is there. */
  passGap(): void {
    let least = Number.POSITIVE_INFINITY;
    for (const sequence of this.#waiting.keys()) least = Math.min(least, (sequence - this.#next) >>> 0);
    if (least === Number.POSITIVE_INFINITY) return;
    this.#next = (this.#next + least) >>> 0;
    this.#go();
  }

  /** The same for all that are missing. */
  passAll(): void {
    const first = this.#next;
    const events = [...this.#waiting.values()];
    this.#waiting.clear();
    events.sort((one, other) => ((one.sequence - first) >>> 0) - ((other.sequence - first) >>> 0));
    for (const event of events) this.#emit(event);
    const last = events.at(-1);
    if (last !== undefined) this.#next = (last.sequence + 1) >>> 0;
  }

  #go(): void {
    for (;;) {
      const event = this.#waiting.get(this.#next);
      if (event === undefined) return;
      this.#waiting.delete(this.#next);
      this.#next = (this.#next + 1) >>> 0;
      this.#emit(event);
    }
  }
}
