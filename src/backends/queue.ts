import type { Backend } from './backend.ts';
import { WAKE_APART } from './shared-layout.ts';
import type { SharedState } from './shared-state.ts';
import type { Waiter } from './waiter.ts';

/** The waiting requests of this thread for one backend, oldest first. */
interface Line {
  /** As last seen: after a reload this is the backend with the new maxRequests. */
  backend: Backend;
  first: Waiter | null;
  last: Waiter | null;
}

/**
 * Waiting for a backend below its maxRequests: first come, first served over all workers, never more than maxRequests
 * in flight. For backends without a limit none of this is touched: their callers use `begin` and `end`.
 *
 * Each waiter draws a ticket from a counter by slot in shared memory, and each worker publishes the ticket of its
 * oldest waiter there. With n free places, a waiter may take one when its ticket is less than n above the oldest ticket
 * of all. So a place is kept for everybody who came earlier, and still a worker need not wait for another one to wake
 * up while there is room for both.
 *
 * No place is ever handed over as an object: who frees one tells the workers that may take it to look (its own waiters
 * at once, others through a wake cell), and who looks and changes anything tells on. So nothing is lost with a worker
 * that dies: `SharedState.clearWorker` takes its requests and waiters out of the shared memory and tells the others to
 * look.
 *
 * The order is exact but for requests that arrive at two workers within the same microsecond.
 */
export class BackendQueue {
  readonly #state: SharedState;
  readonly #lines: Line[] = [];
  readonly #bySlot: (Line | undefined)[] = [];
  #waiting = 0;
  #listening = false;
  #serving = false;
  #serveAll = false;

  /** One for each worker thread. */
  constructor(state: SharedState) {
    this.#state = state;
  }

  /** Requests of this worker that wait. While it is above 0, call `expire` every 100 ms or so. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * True: the request has a place, and is counted in flight. False: it waits, and one of the waiter's callbacks comes
   * later.
   */
  enter(backend: Backend, waiter: Waiter): boolean {
    if (waiter.queuedAt !== null) throw new Error(`the waiter is queued already, at ${waiter.queuedAt.id}`);
    const line = this.#line(backend);
    if (this.#oldest(backend.slot) === 0 && this.#begin(backend)) return true;

    waiter.queueTicket = this.#draw(backend.slot);
    waiter.queuedAt = backend;
    waiter.queuePrevious = line.last;
    if (line.last === null) line.first = waiter;
    else line.last.queueNext = waiter;
    line.last = waiter;
    this.#waiting++;
    if (line.first === waiter) this.#publish(line);
    if (!this.#listening) void this.#listen();
    // Only now others see it: a place that was freed between the first look and this moment is found by looking again.
    return this.#serve(line, waiter);
  }

  /** The client has left: the request waits no longer. Does nothing when it does not wait. */
  leave(waiter: Waiter): void {
    const line = waiter.queuedAt === null ? undefined : this.#bySlot[waiter.queuedAt.slot];
    if (line === undefined) return;
    this.#remove(line, waiter);
    this.#wakeOthers(line);
  }

  /** A request that had a place has ended: the place goes to the next one, which may be served before this returns. */
  release(backend: Backend): void {
    const { layout, row } = this.#state;
    // Atomic, unlike `end`: the write must be seen before the look at who waits.
    Atomics.sub(layout.active, row * layout.rowInts + backend.slot, 1);
    this.#serve(this.#line(backend), null);
  }

  /**
   * Sends away who waits too long or for a backend that cannot be used any more. `now` is in ms of the clock of the
   * deadlines.
   */
  expire(now: number): void {
    for (const line of this.#lines) {
      if (line.first === null) continue;
      if (this.#state.isUsable(line.backend.slot)) this.#dismiss(line, now);
      else this.#dismiss(line, null);
      this.#wakeOthers(line);
    }
    // Nobody tells of a maxRequests that was raised; and should a wake-up ever get lost, this bounds the harm.
    for (const line of this.#lines) this.#serve(line, null);
  }

  /**
   * Gives free places to the waiters of a line. Returns whether `entering` got one: it is told by that, not by its
   * callback.
   */
  #serve(line: Line, entering: Waiter | null): boolean {
    // A callback may end its request or send another: the loop that runs already takes care of that, and the stack
    // stays flat.
    if (this.#serving) {
      this.#serveAll = true;
      return false;
    }
    this.#serving = true;
    try {
      let entered = this.#serveLine(line, entering);
      while (this.#serveAll) {
        this.#serveAll = false;
        for (const each of this.#lines) if (this.#serveLine(each, entering)) entered = true;
      }
      return entered;
    } finally {
      this.#serving = false;
      this.#serveAll = false;
    }
  }

  #serveLine(line: Line, entering: Waiter | null): boolean {
    let entered = false;
    for (;;) {
      const { backend, first } = line;
      if (first === null) break;
      // The free places must reach to this ticket when everybody with an older one takes one.
      if (((first.queueTicket - this.#oldest(backend.slot)) | 0) >= this.#free(backend)) break;
      if (!this.#begin(backend)) break;
      this.#remove(line, first);
      if (first === entering) entered = true;
      else first.onPlace(backend);
    }
    this.#wakeOthers(line);
    return entered;
  }

  /** Takes out of the line who has waited until `now`, or everybody when it is null: the backend is gone. */
  #dismiss(line: Line, now: number | null): void {
    const { backend } = line;
    let waiter = line.first;
    while (waiter !== null) {
      const next: Waiter | null = waiter.queueNext;
      if (now === null) {
        this.#remove(line, waiter);
        waiter.onBackendGone(backend);
      } else if (waiter.deadline <= now) {
        this.#remove(line, waiter);
        waiter.onQueueTimeout();
      }
      // A callback may have taken the next one out of the line.
      waiter = next === null || next.queuedAt?.slot === backend.slot ? next : line.first;
    }
  }

  #begin({ slot, maxRequests }: Backend): boolean {
    return this.#state.tryBegin(slot, maxRequests === 0 ? Infinity : maxRequests);
  }

  #free({ slot, maxRequests }: Backend): number {
    return maxRequests === 0 ? Infinity : maxRequests - this.#state.activeNow(slot);
  }

  /** Tells the other workers whose oldest waiter may take a place now. */
  #wakeOthers({ backend }: Line): void {
    const oldest = this.#oldest(backend.slot);
    if (oldest === 0) return;
    const { layout, row } = this.#state;
    const free = this.#free(backend);
    for (let other = 1; other < layout.rows; other++) {
      const head = Atomics.load(layout.heads, other * layout.rowInts + backend.slot);
      if (other !== row && head !== 0 && ((head - oldest) | 0) < free) this.#state.wakeRow(other);
    }
  }

  /** The oldest ticket that waits at any worker; 0: nobody waits. */
  #oldest(slot: number): number {
    const { heads, rowInts } = this.#state.layout;
    let oldest = 0;
    for (let i = rowInts + slot; i < heads.length; i += rowInts) {
      const head = Atomics.load(heads, i);
      // By difference: tickets wrap around.
      if (head !== 0 && (oldest === 0 || ((head - oldest) | 0) < 0)) oldest = head;
    }
    return oldest;
  }

  #draw(slot: number): number {
    const { tickets } = this.#state.layout;
    for (;;) {
      const ticket = (Atomics.add(tickets, slot, 1) + 1) | 0;
      if (ticket !== 0) return ticket;
    }
  }

  #publish(line: Line): void {
    const { layout, row } = this.#state;
    Atomics.store(layout.heads, row * layout.rowInts + line.backend.slot, line.first?.queueTicket ?? 0);
  }

  #remove(line: Line, waiter: Waiter): void {
    const { queuePrevious: previous, queueNext: next } = waiter;
    if (previous === null) line.first = next;
    else previous.queueNext = next;
    if (next === null) line.last = previous;
    else next.queuePrevious = previous;
    waiter.queuedAt = null;
    waiter.queuePrevious = null;
    waiter.queueNext = null;
    this.#waiting--;
    if (previous === null) this.#publish(line);
  }

  #line(backend: Backend): Line {
    const line = this.#bySlot[backend.slot];
    if (line === undefined) {
      const made: Line = { backend, first: null, last: null };
      this.#bySlot[backend.slot] = made;
      this.#lines.push(made);
      return made;
    }
    // Another backend has the slot now: nobody may be sent there who waits for the old one.
    if (line.backend.generation !== backend.generation) this.#dismiss(line, null);
    line.backend = backend;
    return line;
  }

  /**
   * Looks whenever another worker says so, for as long as requests of this one wait. Atomics.waitAsync settles in a
   * worker thread within some 0.1 ms, and neither keeps the thread alive nor minds its end.
   */
  async #listen(): Promise<void> {
    const { layout, row } = this.#state;
    const cell = row * WAKE_APART;
    this.#listening = true;
    try {
      while (this.#waiting > 0) {
        // Awaited also when the cell is set already: whoever enters must not be called back before `enter` has
        // returned.
        await Atomics.waitAsync(layout.wake, cell, 0).value;
        Atomics.store(layout.wake, cell, 0);
        for (const line of this.#lines) this.#serve(line, null);
      }
    } finally {
      this.#listening = false;
    }
  }
}
