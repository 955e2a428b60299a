/**
 * Numbers the events of all threads in the order in which they happen: one count in shared memory, from 0, modulo 2^32.
 * It also says how many each thread has numbered, so that one that ends with events in its hands leaves no doubt about
 * how many they were.
 */
export class EventSequence {
  readonly #words: Int32Array;
  readonly #own: number;

  /** Memory for so many threads. */
  static allocate(threads: number): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * (1 + threads));
  }

  /** @param thread index of the thread that numbers events here */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#own = 1 + thread;
  }

  /** The number of one more event of this thread. */
  next(): number {
    // Counted before it is numbered: whoever has as many events as were counted has all that have a number.
    Atomics.add(this.#words, this.#own, 1);
    return Atomics.add(this.#words, 0, 1) >>> 0;
  }

  /** How many events a thread has numbered, modulo 2^32. */
  taken(thread: number): number {
    return Atomics.load(this.#words, 1 + thread) >>> 0;
  }
}
