import type { Backend } from '../backends/backend.ts';

/**
 * How limpet knows that the process of a backend has ended: it gave another `boot` id, its port refuses connections and none stands any more, an operator said
 * so, or another node of the store saw it.
 */
export type RestartSign = 'boot' | 'refused' | 'operator' | 'store';

/** What Restarts works with. */
export interface RestartsParts {
  /** Counts one more in `limpet_backend_restarts_total`. */
  readonly count: (pool: string, backend: string, sign: RestartSign) => void;
  readonly log: { warn(fields: object, message: string): void };
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/** Ends the lives of backends (behaviour 114), and counts and logs each end once, whichever thread sees it first. */
export class Restarts {
  readonly #parts: RestartsParts;

  constructor(parts: RestartsParts) {
    this.#parts = parts;
  }

  /**
   * This life of a backend has ended.
   * @param life the number of the life that was seen to end; when the backend is in a later one already, nothing happens
   * @returns whether this call ended it
   */
  end(backend: Backend, life: number, sign: RestartSign): boolean {
    const { count, log, now } = this.#parts;
    if (!backend.life.end(life, now())) return false;
    const { pool, id } = backend;
    count(pool, id, sign);
    log.warn(
      { pool, backend: id, life: backend.life.number, sign },
      'backend was restarted: its sessions have lost their state there',
    );
    return true;
  }
}
