import type { Pool } from '../../../backends/pool.ts';
import type { Key } from '../../../keys/key.ts';
import { Deadline } from '../../../timing/deadline.ts';
import { threadWheel } from '../../../timing/thread-wheel.ts';
import type { Claim } from '../store.ts';

/** A question to Redis that a request waits for. */
export interface Ask {
  readonly key: Key;
  readonly pool: Pool;
  readonly by: number;
  /** It has a pending row in the table; otherwise it is a cookie without a row. */
  readonly claims: boolean;
  /** This request made the row. */
  readonly made: boolean;
  /** Slot that is proposed. */
  readonly slot: number;
  /** When it has waited long enough, by the time of `threadWheel`. */
  readonly deadline: number;
  readonly resolve: (claim: Claim) => void;
}

/**
 * The questions that wait for their answers, with one deadline for all: they all have the same patience, so they come
 * due in the order in which they came.
 */
export class PendingLookups {
  readonly #patience: number;
  readonly #onLate: () => void;
  readonly #asks = new Set<Ask>();
  #deadline: Deadline | null = null;

  /**
   * @param patience the longest that a question waits, ms
   * @param onLate one has waited longer
   */
  constructor(patience: number, onLate: () => void) {
    this.#patience = patience;
    this.#onLate = onLate;
  }

  add(ask: Ask): void {
    this.#asks.add(ask);
    this.#deadline ??= new Deadline(this.#patience, () => this.#onDeadline());
  }

  /** It has its answer. False: it waits no more, its request has gone on without one. */
  take(ask: Ask): boolean {
    return this.#asks.delete(ask);
  }

  has(ask: Ask): boolean {
    return this.#asks.has(ask);
  }

  /** All that wait; none does after this. */
  takeAll(): Ask[] {
    this.#deadline?.cancel();
    this.#deadline = null;
    const asks = [...this.#asks];
    this.#asks.clear();
    return asks;
  }

  #onDeadline(): void {
    this.#deadline = null;
    const oldest = this.#asks.values().next().value;
    if (oldest === undefined) return;
    const left = oldest.deadline - threadWheel.due;
    if (left <= 0) return this.#onLate();
    this.#deadline = new Deadline(left, () => this.#onDeadline());
  }
}
