import type { Backend } from '../backends/backend.ts';

/**
 * How limpet knows that the process of a backend has ended: it gave another `boot` id, its port refuses connections and
 * none stands any more, an operator said so, or another process that has the same sessions saw it (a node of the store,
 * the limpet that is taken over from).
 */
type RestartSign = 'boot' | 'refused' | 'operator' | 'store';

/** What Restarts works with. */
interface RestartsParts {
  /** Counts one more in `limpet_backend_restarts_total`. */
  readonly count: (pool: string, backend: string, sign: RestartSign) => void;
  readonly log: { warn(fields: object, message: string): void };
  /**
   * Nodes share the sessions: before a refusal counts they are asked whether one of them has a connection to that
   * backend that stands. When none has, `conclude` is called in some thread of this process. Absent: there are no
   * others.
   */
  readonly ask?: (backend: Backend, life: number) => void;
  /**
   * A life has ended here, and the other nodes do not know yet. Called when whoever ended it has returned: a lock may
   * be held meanwhile.
   */
  readonly onEnd?: () => void;
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
   * @param life the number of the life that was seen to end; when the backend is in a later one already, nothing
   *   happens
   * @returns whether this call ended it
   */
  end(backend: Backend, life: number, sign: RestartSign): boolean {
    const { ask } = this.#parts;
    if (sign !== 'refused' || ask === undefined) return this.conclude(backend, life, sign);
    if (backend.life.number === life) ask(backend, life);
    return false;
  }

  /** The same, and nobody has to be asked any more. */
  conclude(backend: Backend, life: number, sign: RestartSign): boolean {
    const { now, onEnd } = this.#parts;
    if (!backend.life.end(life, now())) return false;
    // Whoever says so by hand says it of a server that is there.
    if (sign === 'operator') backend.life.accept();
    this.#ended(backend, sign);
    if (onEnd !== undefined) queueMicrotask(onEnd);
    return true;
  }

  /**
   * Another process that has the same sessions, a node or the limpet that this one takes over from, knows of this life.
   * @param life what it has for the number of the life that the backend is in; when it is in this or a later one
   *   already, nothing happens
   * @param began when it began, ms since epoch
   */
  learn(backend: Backend, life: number, began: number): void {
    if (backend.life.reach(life, began)) this.#ended(backend, 'store');
  }

  #ended(backend: Backend, sign: RestartSign): void {
    const { count, log } = this.#parts;
    const { pool, id } = backend;
    count(pool, id, sign);
    log.warn(
      { pool, backend: id, life: backend.life.number, sign },
      'backend was restarted: its sessions have lost their state there',
    );
  }
}
