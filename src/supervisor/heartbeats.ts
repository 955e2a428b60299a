import { threadWheel } from '../timing/thread-wheel.ts';

/** A cell for each worker, far enough apart that no two lie in one line of a cache. */
const APART = 16;

/** The memory of Heartbeats, to be handed to workers. */
export type HeartbeatsMemory = SharedArrayBuffer;

/**
 * Whether workers make progress: each counts the ticks of its wheel in shared memory, and the supervisor looks whether
 * they go on. It counts only its own punctual turns, by the wheel of its thread, so that a pause of the whole process
 * is no worker's.
 */
export class Heartbeats {
  readonly #cells: Int32Array;
  readonly #seen: number[];
  readonly #since: number[];

  static allocate(workers: number): HeartbeatsMemory {
    return new SharedArrayBuffer(workers * APART * Int32Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: HeartbeatsMemory) {
    this.#cells = new Int32Array(memory);
    const workers = this.#cells.length / APART;
    this.#seen = new Array<number>(workers).fill(0);
    this.#since = new Array<number>(workers).fill(threadWheel.now);
  }

  /** A worker lives: to be called on each of its ticks. */
  beat(worker: number): void {
    Atomics.add(this.#cells, worker * APART, 1);
  }

  /** In the supervisor: a worker is taken to live from here on. */
  begin(worker: number): void {
    this.#seen[worker] = Atomics.load(this.#cells, worker * APART);
    this.#since[worker] = threadWheel.now;
  }

  /** In the supervisor, to be asked now and then: how long a worker has been seen to make no progress, ms. */
  silence(worker: number): number {
    const beats = Atomics.load(this.#cells, worker * APART);
    if (beats !== this.#seen[worker]) this.begin(worker);
    return threadWheel.now - this.#since[worker]!;
  }
}
