import type { SystemCalls } from './system-calls.ts';
import type { Watched } from './watched.ts';

/** Connections that are looked at on each tick: 15 µs, and all of them are on a thread that has no more. */
const MOST = 256;
/** Places of the table of descriptors that are passed over on each tick at most. */
const MOST_PLACES = 4_096;
/**
 * Of poll(2). A `struct pollfd` has two 32-bit words: the descriptor, and what is asked with what is answered above it.
 */
const POLLIN = 0x1;
const POLLERR = 0x8;
const POLLHUP = 0x10;
const POLLRDHUP = 0x2000;
const ASKED = POLLIN | POLLRDHUP;
const NONE = new Set<number>();

interface LostWakeupsParts {
  readonly systemCalls: SystemCalls;
  /** Descriptor of the epoll. */
  readonly epoll: number;
  /** By descriptor. */
  readonly watched: readonly (Watched | undefined)[];
  /** Takes events from the epoll and tells connections. */
  readonly serve: () => void;
  readonly tell: (socket: Watched, closing: boolean, broken: boolean) => void;
}

/**
 * Finds wake-ups that were lost between the system and this thread (behaviour 77), so that none costs a connection.
 *
 * On each tick of the wheel poll(2) says what can be read. Whatever can be read then, and still can when Node's loop
 * has looked at its descriptors once more without telling it, was lost: it is told here, and counted. The epoll itself
 * is looked at on every tick; of its connections as many as `MOST`, in turn.
 */
export class LostWakeups {
  /** Counts the looks at the epoll. */
  looks = 0;
  /** Descriptors of connections that can be read and were not told of it since the tick; null: there is none. */
  suspects: Set<number> | null = null;
  onLost: () => void = () => {};
  readonly #parts: LostWakeupsParts;
  readonly #fds = new Int32Array((1 + MOST) * 2);
  readonly #fdsAt: bigint;
  /** The epoll could be read at the tick. */
  #epollReady = false;
  /** `looks` at the tick. */
  #looked = 0;
  /** Where in `watched` the next tick goes on. */
  #next = 0;
  #waits = false;
  readonly #look = () => this.#lookAgain();

  constructor(parts: LostWakeupsParts) {
    this.#parts = parts;
    this.#fdsAt = parts.systemCalls.address(this.#fds);
  }

  /** To be called on each tick. */
  look(): void {
    if (this.#waits) return;
    const { watched, epoll } = this.#parts;
    const fds = this.#fds;
    this.#ask(0, epoll);
    let count = 1;
    const end = watched.length;
    const places = Math.min(end, MOST_PLACES);
    for (let n = 0; n < places && count <= MOST; n++) {
      if (this.#next >= end) this.#next = 0;
      const fd = this.#next++;
      if (watched[fd]?.reads === true) this.#ask(count++, fd);
    }
    if (this.#poll(count) === 0) return;
    this.#epollReady = this.#answer(0) !== 0;
    this.#looked = this.looks;
    for (let n = 1; n < count; n++) {
      if (this.#answer(n) === 0) continue;
      this.suspects ??= new Set();
      this.suspects.add(fds[n * 2]!);
    }
    this.#waits = true;
    // Between this and the next of these Node's loop looks at its descriptors.
    setImmediate(this.#look);
  }

  #lookAgain(): void {
    this.#waits = false;
    const { watched, serve, tell, epoll } = this.#parts;
    if (this.#epollReady && this.looks === this.#looked) {
      this.#ask(0, epoll);
      if (this.#poll(1) > 0) {
        this.onLost();
        serve();
      }
    }
    const suspects = this.suspects ?? NONE;
    this.suspects = null;
    for (const fd of suspects) {
      const socket = watched[fd];
      if (socket?.reads !== true) continue;
      this.#ask(0, fd);
      if (this.#poll(1) <= 0) continue;
      const answer = this.#answer(0);
      this.onLost();
      tell(socket, (answer & (POLLRDHUP | POLLHUP | POLLERR)) !== 0, (answer & POLLERR) !== 0);
    }
  }

  #ask(n: number, fd: number): void {
    this.#fds[n * 2] = fd;
    this.#fds[n * 2 + 1] = ASKED;
  }

  #answer(n: number): number {
    return this.#fds[n * 2 + 1]! >>> 16;
  }

  #poll(count: number): number {
    return this.#parts.systemCalls.poll(this.#fdsAt, BigInt(count), 0n);
  }
}
