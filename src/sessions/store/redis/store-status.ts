/** The memory of a StoreStatus, to be handed to other threads. */
export type StoreStatusMemory = SharedArrayBuffer;

/**
 * Whether the store that nodes share is up, as one flag that every thread of this node reads and trips: a breaker. Any
 * thread that waits in vain puts it down for all, and only the supervisor, which goes on asking, puts it up again.
 * While it is down nobody waits for the store.
 */
export class StoreStatus {
  readonly #flag: Int32Array;
  readonly #since: Float64Array;
  /** By worker: 1 when its own connection is lost. */
  readonly #lost: Int32Array;

  /** @param workers threads that have a connection of their own */
  static allocate(workers: number): StoreStatusMemory {
    return new SharedArrayBuffer(16 + workers * 4);
  }

  constructor(memory: StoreStatusMemory) {
    this.#flag = new Int32Array(memory, 0, 1);
    this.#since = new Float64Array(memory, 8, 1);
    this.#lost = new Int32Array(memory, 16);
  }

  /** A worker says whether its own connection can be used. */
  setConnected(worker: number, connected: boolean): void {
    Atomics.store(this.#lost, worker, connected ? 0 : 1);
  }

  /** No worker is without its connection. */
  get allConnected(): boolean {
    return this.#lost.every((lost) => lost === 0);
  }

  get up(): boolean {
    return Atomics.load(this.#flag, 0) === 1;
  }

  /** When it came up or went down last, ms since epoch. */
  get since(): number {
    return this.#since[0]!;
  }

  /** Says whether this call was the one that flipped it. */
  set(up: boolean, now: number): boolean {
    const flipped = Atomics.exchange(this.#flag, 0, up ? 1 : 0) !== (up ? 1 : 0);
    if (flipped || this.#since[0] === 0) this.#since[0] = now;
    return flipped;
  }
}
