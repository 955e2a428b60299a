import type { Lifeline } from './lifeline.ts';

/** What a probe sees of its backend's life besides whether it is well. One for each probe. */
export class Witness {
  /** Takes the connection after its answer; null: it is closed. */
  readonly lifeline: Lifeline | null;
  /** Why there was no connection; null: there was one, or it took too long. */
  error: Error | null = null;
  /** `Limpet-Backend` field of the answer; null: there was none. */
  boot: string | null = null;

  constructor(lifeline: Lifeline | null) {
    this.lifeline = lifeline;
  }
}
