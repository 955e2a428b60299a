import type { Backend } from '../backends/backend.ts';
import type { BackendSigns } from '../health/backend-signs.ts';

/** The connections to one backend, as far as it is told of them. */
interface ToldConnections {
  readonly backend: Backend;
  /** Null: nobody is told. */
  readonly signs: BackendSigns | null;
  /** What becomes of one says nothing about the backend any more. */
  readonly retired: boolean;
}

/** What one connection to a backend tells BackendSigns, where anybody is told: each of its ends once. */
export class ConnectionSigns {
  /** How often the id of the backend's process had changed when it was opened. */
  bootFlips = 0;
  /** It ends by itself, and not by our doing. */
  lost = false;
  readonly #connections: ToldConnections;
  /** What a refusal would speak against. */
  #begun = 0;
  /** Counted among those that stand. */
  #stands = false;

  constructor(connections: ToldConnections) {
    this.#connections = connections;
  }

  /** It begins to be opened. */
  begin(): void {
    const { signs, backend } = this.#connections;
    this.#begun = signs === null ? 0 : signs.begins(backend);
  }

  opened(): void {
    const { signs, backend } = this.#connections;
    if (signs === null) return;
    this.#stands = true;
    this.bootFlips = signs.boots.flips(backend.slot);
    signs.opened(backend);
  }

  /** It could not be opened. */
  refused(error: Error): void {
    const { signs, backend, retired } = this.#connections;
    if (signs !== null && !retired) signs.refused(backend, this.#begun, error);
  }

  /** It has closed, or is destroyed. */
  closed(): void {
    if (!this.#stands) return;
    this.#stands = false;
    const { signs, backend, retired } = this.#connections;
    signs!.closed(backend, this.lost && !retired);
  }
}
