import type { Logger } from '../logging/logger.ts';
import type { SessionTable } from '../sessions/table/table.ts';

/** Between two log lines, ms. */
const AGAIN_MS = 60_000;

/**
 * Says when more sessions have ended than can be remembered: cookies without a row begin anew then (see Tombstones). In
 * the supervisor.
 */
export class EndsWatch {
  readonly #table: SessionTable;
  readonly #log: Logger;
  #told: number;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(table: SessionTable, log: Logger) {
    this.#table = table;
    this.#log = log;
    this.#told = table.endsDropped;
  }

  /** @param now monotonic, ms */
  look(now: number): void {
    const dropped = this.#table.endsDropped;
    if (dropped === this.#told || now - this.#toldAt < AGAIN_MS) return;
    this.#log.warn(
      {
        dropped: dropped - this.#told,
        remembered: this.#table.endsCapacity,
        floor: new Date(this.#table.floor).toISOString(),
      },
      'more sessions have ended than are remembered: a cookie from before floor is good only while its session is in the table',
    );
    this.#told = dropped;
    this.#toldAt = now;
  }
}
