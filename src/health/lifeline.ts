import type { Socket } from 'node:net';
import type { Backend } from '../backends/backend.ts';
import type { BackendSigns } from './backend-signs.ts';

/**
 * Probes of TCP on a connection that lies idle, ms: a machine that is gone is noticed, and what lies in between does
 * not forget the connection.
 */
const KEEPALIVE_MS = 1_000;

/**
 * The connection of the latest probe of one backend, which is kept open after its answer for its end (behaviour 114):
 * it is the first to tell that the process has ended. A probe has a connection of its own all the same, as it is to
 * find out whether the backend accepts one; the older one is closed before the request of the newer one goes out, for
 * the sake of servers that have one thread.
 */
export class Lifeline {
  readonly #backend: Backend;
  readonly #signs: BackendSigns;
  readonly #onLost: () => void;
  #held: { readonly socket: Socket; readonly close: () => void } | null = null;
  #allowed = true;

  /** @param onLost called when what was held has closed by itself */
  constructor(backend: Backend, signs: BackendSigns, onLost: () => void) {
    this.#backend = backend;
    this.#signs = signs;
    this.#onLost = onLost;
  }

  /** Whether a connection is held. */
  get holds(): boolean {
    return this.#held !== null;
  }

  /** What is held; for a look whether it is the same as before. */
  get held(): object | null {
    return this.#held;
  }

  /** No connection is held from here on, or may be again. */
  allow(on: boolean): void {
    this.#allowed = on;
    if (!on) this.letGo();
  }

  /** A connection is open, and nothing has been sent on it yet. */
  established(socket: Socket): void {
    this.#signs.opened(this.#backend);
    socket.once('close', () => {
      const lost = this.#held?.socket === socket;
      if (lost) this.#held = null;
      this.#signs.closed(this.#backend, lost);
      if (lost) this.#onLost();
    });
    this.letGo();
  }

  /** Takes an established connection that has had its answer. @param close closes it */
  hold(socket: Socket, close: () => void): void {
    if (!this.#allowed || socket.destroyed) return close();
    this.letGo();
    socket.setKeepAlive(true, KEEPALIVE_MS);
    this.#held = { socket, close };
  }

  /** Closes what is held. */
  letGo(): void {
    const held = this.#held;
    this.#held = null;
    held?.close();
  }
}
