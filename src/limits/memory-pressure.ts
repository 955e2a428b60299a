/** How short memory is. */
export const Pressure = { none: 0, high: 1, severe: 2 } as const;

const LEVEL = 0;
const ASKED = 1;
const WORDS = 2;

/** Shared memory of MemoryPressure: structured-cloneable. */
export interface MemoryPressureMemory {
  readonly buffer: SharedArrayBuffer;
  readonly threads: number;
}

/**
 * How much memory each thread uses, as it says itself, and what follows from it for all of them. The supervisor decides
 * (MemoryWatch).
 */
export class MemoryPressure {
  readonly #threads: number;
  readonly #bytes: Float64Array;
  readonly #words: Int32Array;

  static allocate(threads: number): MemoryPressureMemory {
    return { buffer: new SharedArrayBuffer(threads * 8 + (WORDS + threads) * 4), threads };
  }

  constructor({ buffer, threads }: MemoryPressureMemory) {
    this.#threads = threads;
    this.#bytes = new Float64Array(buffer, 0, threads);
    this.#words = new Int32Array(buffer, threads * 8);
  }

  /** Of Pressure. */
  get level(): number {
    return Atomics.load(this.#words, LEVEL);
  }

  set level(level: number) {
    Atomics.store(this.#words, LEVEL, level);
  }

  /** In bytes, over all threads. */
  get used(): number {
    let sum = 0;
    for (let thread = 0; thread < this.#threads; thread++) sum += this.#bytes[thread]!;
    return sum;
  }

  usedBy(thread: number): number {
    return this.#bytes[thread]!;
  }

  note(thread: number, bytes: number): void {
    this.#bytes[thread] = bytes;
  }

  /** A thread has ended. */
  clear(thread: number): void {
    this.note(thread, 0);
    this.answer(thread);
  }

  /** All are to say what they use once nothing is left that nobody needs. */
  ask(): void {
    Atomics.add(this.#words, ASKED, 1);
  }

  /** Whether a thread has not answered yet. */
  isAsked(thread: number): boolean {
    return Atomics.load(this.#words, WORDS + thread) !== Atomics.load(this.#words, ASKED);
  }

  answer(thread: number): void {
    Atomics.store(this.#words, WORDS + thread, Atomics.load(this.#words, ASKED));
  }

  get allAnswered(): boolean {
    for (let thread = 0; thread < this.#threads; thread++) if (this.isAsked(thread)) return false;
    return true;
  }
}
