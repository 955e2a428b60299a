/** A lock word is 0 when free, or its owner's id, with this bit when somebody may be waiting. */
const WAITERS = 0x40000000;
/** Tries before a thread goes to sleep: a lock is held for some hundred nanoseconds. */
const SPINS = 100;
/** The longest sleep, ms: bounds the harm of a wake-up that went to a thread that was just dying. */
const NAP = 2;
/** Owner id of the supervisor. */
const SUPERVISOR = 1;
/** How long a worker waits for a lock, ms, before it calls that an error. */
const WORKERS_MS = 5_000;
/**
 * And the supervisor, which takes a dead worker's locks away and ends one that spins: while it waits it hears of
 * neither. Less than makes a turn of its event loop late (see TimerWheel), since only those that are not count against
 * a worker.
 */
const SUPERVISORS_MS = 60;
/**
 * Whoever has waited in vain waits hardly at all for so long, ms: the holder spins or is dead, and may hold more than
 * one.
 */
const HASTE_MS = 1_000;
const HASTY_MS = 2 * NAP;

/**
 * Locks in shared memory, one word each, that know who holds them: so those of a thread that died can be taken from it.
 * Not reentrant. A thread may hold two, taken with `lockTwo` only.
 */
export class StripedLocks {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #count: number;
  readonly #owner: number;
  /** How long to wait for a lock, ms, before that is called an error. */
  readonly #patience: number;
  /** Until then it is HASTY_MS, by performance.now. */
  #hastyUntil = 0;

  /**
   * @param words shared words, all zero at first; lock n is `words[base + n]`
   * @param owner id of this thread, from 1. Of the threads alive no two have the same one, and a new thread gets the id
   *   of a dead one after `releaseAll` of it
   */
  constructor(words: Int32Array, base: number, count: number, owner: number) {
    if (!Number.isInteger(owner) || owner < 1 || owner >= WAITERS)
      throw new RangeError(`${owner} is no lock owner: give a whole number from 1`);
    this.#words = words;
    this.#base = base;
    this.#count = count;
    this.#owner = owner;
    this.#patience = owner === SUPERVISOR ? SUPERVISORS_MS : WORKERS_MS;
  }

  /**
   * Takes lock `n`, waiting for it if need be.
   * @throws Error with code SESSION_TABLE_BUSY when it does not come free for long (its owner is dead and not yet
   *   cleared away); then it is not held
   */
  lock(n: number): void {
    const at = this.#base + n;
    if (Atomics.compareExchange(this.#words, at, 0, this.#owner) !== 0) this.#wait(at);
  }

  /**
   * Takes locks `n` and `m`, the lower one first so that two threads never wait for each other; one lock when they are
   * the same. Throws as `lock` does.
   */
  lockTwo(n: number, m: number): void {
    if (n === m) {
      this.lock(n);
      return;
    }
    const low = Math.min(n, m);
    this.lock(low);
    try {
      this.lock(n + m - low);
    } catch (error) {
      this.unlock(low);
      throw error;
    }
  }

  /** Takes lock `n` if it is free. */
  tryLock(n: number): boolean {
    return Atomics.compareExchange(this.#words, this.#base + n, 0, this.#owner) === 0;
  }

  unlock(n: number): void {
    const at = this.#base + n;
    if ((Atomics.exchange(this.#words, at, 0) & WAITERS) !== 0) Atomics.notify(this.#words, at, 1);
  }

  unlockTwo(n: number, m: number): void {
    this.unlock(n);
    if (n !== m) this.unlock(m);
  }

  /**
   * Frees every lock that a thread held when it ended. To be called when that thread certainly runs no more. Answers
   * how many there were.
   */
  releaseAll(owner: number): number {
    let released = 0;
    for (let at = this.#base; at < this.#base + this.#count; at++) {
      const word = Atomics.load(this.#words, at);
      if ((word & ~WAITERS) !== owner) continue;
      // A thread that goes to sleep may set its bit in between.
      if (Atomics.compareExchange(this.#words, at, word, 0) !== word) Atomics.store(this.#words, at, 0);
      Atomics.notify(this.#words, at);
      released++;
    }
    return released;
  }

  /**
   * The lock is taken: spin for a moment, then sleep until it is free (a futex, as in Drepper's "Futexes are tricky",
   * mutex 2).
   */
  #wait(at: number): void {
    const words = this.#words;
    for (let spin = 0; spin < SPINS; spin++) {
      if (Atomics.load(words, at) === 0 && Atomics.compareExchange(words, at, 0, this.#owner) === 0) return;
    }
    const patience = performance.now() < this.#hastyUntil ? HASTY_MS : this.#patience;
    let waited = 0;
    for (;;) {
      const word = Atomics.load(words, at);
      if (word === 0) {
        // Others may sleep on it still, and whoever left it has woken only one.
        if (Atomics.compareExchange(words, at, 0, this.#owner | WAITERS) === 0) return;
        continue;
      }
      const holder = word & ~WAITERS;
      if (holder === this.#owner)
        throw busy(
          `its own thread (owner ${holder}) holds it: a dead thread's locks were not released before its id was used again`,
        );
      if (waited >= patience) {
        this.#hastyUntil = performance.now() + HASTE_MS;
        throw busy(
          `owner ${holder} has held it for ${waited} ms: a thread that spins or has died, most likely, and is about to be ` +
            'cleared away; try again',
        );
      }
      if ((word & WAITERS) === 0 && Atomics.compareExchange(words, at, word, word | WAITERS) !== word) continue;
      if (Atomics.wait(words, at, word | WAITERS, NAP) === 'timed-out') waited += NAP;
    }
  }
}

function busy(why: string): Error {
  return Object.assign(new Error(`a lock of the session table cannot be had, ${why}`), { code: 'SESSION_TABLE_BUSY' });
}
