import type { ConfigError } from '../config/config-error.ts';
import type { ConfigChange } from '../config/diff.ts';

/** How a reload went. */
export type ReloadOutcome =
  | {
      readonly ok: true;
      /** Of the configuration that runs now. */
      readonly generation: number;
      readonly changes: readonly ConfigChange[];
      readonly warnings: readonly string[];
    }
  /** Nothing changed. */
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** How the latest one went. */
interface LastReload {
  /** Ms since epoch. */
  readonly at: number;
  readonly ok: boolean;
  readonly changes: number;
  readonly errors: number;
}

/** Reloads one after another, whoever asks for them (signal, API, file watching), and remembers how they went. */
export class Reloads {
  readonly #reload: () => Promise<ReloadOutcome>;
  readonly #now: () => number;
  #latest: Promise<unknown> = Promise.resolve();
  /** Null: there was none yet. */
  last: LastReload | null = null;
  /** Reloads that were taken over, and those that changed nothing because of a mistake. */
  succeeded = 0;
  failed = 0;

  /** @param now wall clock, ms since epoch */
  constructor(reload: () => Promise<ReloadOutcome>, now: () => number) {
    this.#reload = reload;
    this.#now = now;
  }

  /**
   * Begins when the one before has ended: it may have read a file that has changed since, so its outcome is not this
   * one's.
   * @throws what `reload` throws, which is a defect and counts as failed
   */
  run(): Promise<ReloadOutcome> {
    const outcome = this.#latest.then(() => this.#one());
    this.#latest = outcome.catch(() => {});
    return outcome;
  }

  async #one(): Promise<ReloadOutcome> {
    try {
      const outcome = await this.#reload();
      if (outcome.ok) this.#note(true, outcome.changes.length, 0);
      else this.#note(false, 0, outcome.errors.length);
      return outcome;
    } catch (error) {
      this.#note(false, 0, 1);
      throw error;
    }
  }

  #note(ok: boolean, changes: number, errors: number): void {
    if (ok) this.succeeded++;
    else this.failed++;
    this.last = { at: this.#now(), ok, changes, errors };
  }
}
