import type { Backend } from '../backends/backend.ts';
import { bootId } from '../backends/boot-id.ts';
import { BootIds, BootNews } from '../backends/boot-ids.ts';
import { isRefusal } from '../backends/is-refusal.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { StandingConnections } from '../backends/standing-connections.ts';
import type { Restarts } from './restarts.ts';

/**
 * A process that has ended may be noticed by a refused connection before the ends of those that it had are read, in
 * another thread or in this one. For so long the refusal waits for them, ms; a server that drains, or a firewall that
 * rejects, leaves them standing.
 */
const SUSPICION_MS = 1_000;
/** Another thread may have looked at the clock so much later, ms. */
const AHEAD_MS = 100;

/** What BackendSigns works with. */
interface BackendSignsParts {
  readonly state: SharedState;
  readonly restarts: Restarts;
  readonly log: { warn(fields: object, message: string): void };
  /** The last connection to the backend has ended by itself: somebody is to look whether it still takes new ones. */
  readonly onLastLost: (slot: number) => void;
  /** Another thread keeps a connection for nothing but its end, and there is another one by now. */
  readonly onRelieved: (slot: number) => void;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/**
 * What the connections of one thread tell about the lives of the backends (behaviour 114): refusals, ends, and the ids
 * that processes give themselves. One for each thread; what they know together lies in shared memory.
 */
export class BackendSigns {
  readonly boots: BootIds;
  readonly #parts: BackendSignsParts;
  readonly #standing: StandingConnections;

  constructor(parts: BackendSignsParts) {
    const { layout, row } = parts.state;
    this.#parts = parts;
    this.#standing = new StandingConnections(layout, row);
    this.boots = new BootIds(layout, row);
  }

  /**
   * A connection begins to be opened. @returns what `refused` is to be told: the number of the life that a refusal
   * speaks against; 0: none, it has not answered
   */
  begins({ life }: Backend): number {
    const { number } = life;
    return life.hasAnswered ? number : 0;
  }

  /** A connection is open. */
  opened({ slot }: Backend): void {
    this.#standing.add(slot);
    const { layout, row } = this.#parts.state;
    const keeper = Atomics.load(layout.keeper, slot);
    if (keeper !== 0 && keeper !== row + 1) this.#parts.onRelieved(slot);
  }

  /**
   * A connection that was `opened` has closed.
   * @param lost not by limpet's doing
   */
  closed(backend: Backend, lost: boolean): void {
    const { slot, life } = backend;
    if (!this.#standing.remove(slot)) return;
    const suspect = this.#isSuspect(slot, life.number);
    if (suspect && lost) this.#refuse(backend, life.number);
    else if (suspect || lost) this.#parts.onLastLost(slot);
  }

  /** A connection could not be opened. @param begun what `begins` has said */
  refused(backend: Backend, begun: number, error: Error): void {
    const { slot, life } = backend;
    if (begun === 0 || life.number !== begun || !isRefusal(error)) return;
    const { layout } = this.#parts.state;
    layout.suspectUntil[slot] = this.#parts.now() + SUSPICION_MS;
    Atomics.store(layout.suspect, slot, begun);
    // Looked at after it was written: one that closes now sees the suspicion, or is not counted any more.
    if (this.#standing.count(slot) === 0) this.#refuse(backend, begun);
  }

  /** How many connections to the backend are open, of all threads. */
  stand({ slot }: Backend): number {
    return this.#standing.count(slot);
  }

  /** Whether no other connection to the backend is open than the one that asks, which is. */
  isLast({ slot }: Backend): boolean {
    return this.#standing.count(slot) === 1;
  }

  /** Whether a connection may be kept for nothing but its end. */
  wantsLifeline({ slot }: Backend): boolean {
    return this.#parts.state.layout.noLifeline[slot] === 0;
  }

  /** Asks for this thread to be the one that keeps an idle connection for nothing but its end. */
  keep(backend: Backend): boolean {
    const { slot } = backend;
    const { layout, row } = this.#parts.state;
    if (!this.wantsLifeline(backend) || !this.isLast(backend)) return false;
    const keeper = Atomics.compareExchange(layout.keeper, slot, 0, row + 1);
    return keeper === 0 || keeper === row + 1;
  }

  /** It does not keep it any more. */
  unkeep({ slot }: Backend): void {
    const { layout, row } = this.#parts.state;
    Atomics.compareExchange(layout.keeper, slot, row + 1, 0);
  }

  /**
   * An answer had this `Limpet-Backend` field.
   * @param asked the number of the life when it was asked
   * @param openedAt `boots.flips` when the connection of the answer was opened
   */
  boot(backend: Backend, text: string, asked: number, openedAt: number): void {
    const { slot, life, pool, id } = backend;
    if (this.boots.isOff(slot)) return;
    const named = bootId(text);
    if (named === null) return;
    const news = this.boots.see(slot, BootIds.hash(named), asked, life.number, openedAt, (number) => {
      this.#parts.restarts.end(backend, number, 'boot');
      return life.number;
    });
    // It is the new process that has just answered, whenever it was asked.
    if (news === BootNews.first || news === BootNews.another) life.answer();
    if (news !== BootNews.several) return;
    this.#parts.log.warn(
      { pool, backend: id },
      'boot ids of this backend take turns, so several processes answer for it: from here on they say nothing about restarts (give each process a backend of its own)',
    );
  }

  #isSuspect(slot: number, life: number): boolean {
    const { layout } = this.#parts.state;
    const left = layout.suspectUntil[slot]! - this.#parts.now();
    // More is left than a suspicion lasts: the clock was set back.
    return Atomics.load(layout.suspect, slot) === life && left > 0 && left <= SUSPICION_MS + AHEAD_MS;
  }

  #refuse(backend: Backend, life: number): void {
    this.#parts.restarts.end(backend, life, 'refused');
  }
}
