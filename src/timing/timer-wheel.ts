import { backlog } from './backlog.ts';

/** Milliseconds between two looks at the wheel: how late a deadline may be noticed. */
const TICK_MS = 50;
/**
 * A turn of the thread's event loop that took longer came late: the thread, its process or the whole machine stood
 * still.
 */
const LATE_MS = 2 * TICK_MS;
/**
 * A turn that took so long, ms, was a pause that others may have noticed: a busy machine alone has turns of a few
 * tenths of a second.
 */
const STILL_MS = 500;
/**
 * What a deadline is set later than asked for. Whatever came in time was there a whole turn before that, and has been
 * looked at: this is what makes the order of timers and readiness within one turn of the event loop of no account.
 */
const MARGIN_MS = LATE_MS;
/**
 * For so many ticks in a row deadlines wait for connections that have something to be read; then they are due all the
 * same.
 */
const BACKLOG_TICKS = 40;
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

/**
 * A hashed timing wheel (Varghese and Lauck, 1987) with lazy moves; one a thread (`threadWheel`).
 *
 * It is the one place that decides what is late. Its time counts only turns of the event loop in which limpet could
 * have looked: one that took longer than two ticks, because the thread was busy or the process or machine stood still,
 * counts as one tick, and what became due in it has to wait until readiness has been looked at. So nobody is blamed for
 * what limpet did not do, and what is set behind a pause counts from then on.
 */
export class TimerWheel {
  /**
   * Coarse time in ms, at most two ticks behind, from an arbitrary beginning: to be compared with itself alone, never
   * with other clocks.
   */
  now = performance.now();
  /** What was due by then may be taken for late: `now`, or less behind a turn that came late. */
  due = this.now;
  /** When the latest turn that came late was noticed, by performance.now. */
  pausedAt = Number.NEGATIVE_INFINITY;
  /** The same of one that took so long that others may have given up meanwhile. */
  stillAt = Number.NEGATIVE_INFINITY;
  /** When the wheel was looked at last, by performance.now: the present as far as nothing stands still. */
  lookedAt = this.now;
  /**
   * Whatever had come by then has been looked at: `lookedAt`, or less behind a turn that came late. By performance.now.
   */
  heardUntil = this.lookedAt;
  /** Called on every tick: the work that a worker does now and then. */
  onTick: () => void;
  readonly #slots: (Timed | null)[] = new Array<Timed | null>(SLOTS).fill(null);
  #tick = 0;
  #backlogTicks = 0;
  #timer: NodeJS.Timeout | null = null;
  #users = 0;

  constructor(onTick: () => void = () => {}) {
    this.onTick = onTick;
    this.#tick = Math.floor(this.now / TICK_MS);
  }

  /** To be called by each who needs it: it turns, and keeps the thread alive, until all have called `stop`. */
  start(): void {
    if (this.#users++ > 0) return;
    this.lookedAt = performance.now();
    this.heardUntil = this.lookedAt;
    this.#timer = setInterval(() => this.advance(performance.now()), TICK_MS);
  }

  stop(): void {
    if (--this.#users > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /**
   * Whether limpet itself stood still at some time between the two, by performance.now.
   * @param until the present: a pause that has just ended is seen in it before the next tick
   */
  paused(since: number, until: number): boolean {
    return since < this.pausedAt || until - this.lookedAt > LATE_MS;
  }

  /**
   * The time that is `ms` from now, to be compared with `due`: what has no deadline of its own goes by it as `set`
   * does.
   */
  at(ms: number): number {
    return this.now + ms + MARGIN_MS;
  }

  /**
   * Whether a turn has come late and not everything that came meanwhile has been looked at, as far as is known: what
   * connections have to tell may be behind the present.
   * @param at the present, by performance.now
   */
  behind(at: number): boolean {
    return this.pausedAt === this.lookedAt || at - this.lookedAt > LATE_MS;
  }

  /** As `paused`, of a pause in which others may have given up waiting. */
  stoodStill(since: number, until: number): boolean {
    return since < this.stillAt || until - this.lookedAt > STILL_MS;
  }

  /**
   * Sets or moves the deadline of `item` to `ms` from now, by the time of the wheel: up to three ticks late, and later
   * by as long as limpet itself stood still.
   */
  set(item: Timed, ms: number): void {
    const deadline = this.at(ms);
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

  /** Fires what is due. Called by the interval, and by tests. @param at now, by performance.now */
  advance(at: number): void {
    const took = at - this.lookedAt;
    this.heardUntil = took > LATE_MS ? this.lookedAt : at;
    this.lookedAt = at;
    if (took > LATE_MS) {
      this.pausedAt = at;
      if (took > STILL_MS) this.stillAt = at;
      // Between the last look and this one there was one at readiness: what was due by then is late, however often this
      // happens.
      this.due = this.now;
      this.now += TICK_MS;
    } else {
      this.now += took;
      if (!backlog.left || ++this.#backlogTicks > BACKLOG_TICKS) {
        this.#backlogTicks = 0;
        this.due = this.now;
      }
    }
    const target = Math.floor(this.due / TICK_MS);
    while (this.#tick < target) {
      this.#tick++;
      this.#visit(this.#tick & (SLOTS - 1), this.due);
    }
    this.onTick();
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
