/** Milliseconds between two looks at the wheel: how late a deadline may be noticed. */
const TICK_MS = 50;
const SLOTS = 1024;

/**
 * Something with at most one deadline at a time. Moving a deadline to later costs one store:
 * the wheel finds out when it comes by, which is why a connection can set several for each request.
 */
export abstract class Timed {
  /** Monotonic ms; 0: none. */
  deadline = 0;
  wheelTick = -1;
  wheelNext: Timed | null = null;
  wheelPrevious: Timed | null = null;

  /** Called once when the deadline has passed. */
  abstract onDeadline(): void;
}

/** A hashed timing wheel (Varghese and Lauck, 1987) with lazy moves; one a worker. */
export class TimerWheel {
  /** Coarse monotonic time in ms, at most one tick behind. */
  now = performance.now();
  readonly #slots: (Timed | null)[] = new Array<Timed | null>(SLOTS).fill(null);
  #tick = 0;
  #timer: NodeJS.Timeout | null = null;
  readonly #onTick: () => void;

  /** @param onTick called on every tick with the work that a worker does now and then. */
  constructor(onTick: () => void = () => {}) {
    this.#onTick = onTick;
    this.#tick = Math.floor(this.now / TICK_MS);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.advance(performance.now()), TICK_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Sets or moves the deadline of `item` to `ms` from now; fires never early, up to two ticks late. */
  set(item: Timed, ms: number): void {
    const deadline = this.now + ms + TICK_MS;
    item.deadline = deadline;
    const tick = Math.floor(deadline / TICK_MS);
    if (item.wheelTick < 0) this.#link(item, tick);
    else if (tick < item.wheelTick) {
      this.#unlink(item);
      this.#link(item, tick);
    }
  }

  /** As `set`, of a limit that is lifted by 0. */
  limit(item: Timed, ms: number): void {
    if (ms === 0) this.clear(item);
    else this.set(item, ms);
  }

  /** Takes the deadline away; the item stays on the wheel until its tick comes by. */
  clear(item: Timed): void {
    item.deadline = 0;
  }

  /** Takes the item off the wheel for good, so that nothing holds on to it. */
  remove(item: Timed): void {
    item.deadline = 0;
    if (item.wheelTick >= 0) this.#unlink(item);
  }

  /** Fires what is due at `now`. Called by the interval, and by tests. */
  advance(now: number): void {
    this.now = now;
    const target = Math.floor(now / TICK_MS);
    // After a long pause of the process one turn of the wheel visits everything.
    if (target - this.#tick > SLOTS) this.#tick = target - SLOTS;
    while (this.#tick < target) {
      this.#tick++;
      this.#visit(this.#tick & (SLOTS - 1), now);
    }
    this.#onTick();
  }

  #visit(slot: number, now: number): void {
    // Nothing can be linked into the slot that is being visited (see #link), so this ends.
    for (let item = this.#slots[slot] ?? null; item !== null; item = this.#slots[slot] ?? null) {
      this.#unlink(item);
      if (item.deadline === 0) continue;
      if (item.deadline > now) {
        this.#link(item, Math.floor(item.deadline / TICK_MS));
        continue;
      }
      item.deadline = 0;
      item.onDeadline();
    }
  }

  #link(item: Timed, tick: number): void {
    // Beyond one turn of the wheel: come by at its end and look again.
    const at = Math.min(Math.max(tick, this.#tick + 1), this.#tick + SLOTS - 1);
    const slot = at & (SLOTS - 1);
    const head = this.#slots[slot] ?? null;
    item.wheelTick = at;
    item.wheelNext = head;
    item.wheelPrevious = null;
    if (head !== null) head.wheelPrevious = item;
    this.#slots[slot] = item;
  }

  #unlink(item: Timed): void {
    const slot = item.wheelTick & (SLOTS - 1);
    if (item.wheelPrevious !== null) item.wheelPrevious.wheelNext = item.wheelNext;
    else if (this.#slots[slot] === item) this.#slots[slot] = item.wheelNext;
    if (item.wheelNext !== null) item.wheelNext.wheelPrevious = item.wheelPrevious;
    item.wheelNext = null;
    item.wheelPrevious = null;
    item.wheelTick = -1;
  }
}
