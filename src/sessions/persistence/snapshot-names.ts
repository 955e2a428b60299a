import type { BackendLife } from '../../backends/backend-life.ts';
import type { KnownLives } from '../../backends/known-lives.ts';

/** Where this process has a backend. */
export interface BackendPlace {
  readonly pool: number;
  readonly slot: number;
  readonly life: BackendLife;
}

/** What a row is bound to, for whoever numbers places in another way. */
export interface BackendName {
  /** `pool/id`. */
  readonly name: string;
  /** Number of the life that the row is bound to. */
  readonly life: number;
}

/** The names of backends, and their lives: slots are each process's own. */
export interface SessionNames {
  /**
   * The backend that has the slot and this stamp, in whichever life; null: it is gone. A stamp of -1: whichever has the
   * slot now, in the life that it is in.
   */
  backends(slot: number, stamp: number): BackendName | null;
  /** Null: there is no such backend. */
  resolve(pool: string, id: string): BackendPlace | null;
  readonly lives: KnownLives;
}
