import { BackendTls } from '../backends/backend-tls.ts';
import type { ProbedPool } from './probe.ts';

/**
 * What TLS of the probes of one pool is made with. Its files are read again when a backend is found not to be well:
 * they may have been renewed since, and what is wrong is then the probe.
 */
export class ProbeTls {
  readonly #name: string;
  readonly #config: ProbedPool['tls'];
  #current: BackendTls | null = null;

  constructor(name: string, config: ProbedPool['tls']) {
    this.#name = name;
    this.#config = config;
  }

  /** @throws StartError when the files cannot be used and never could */
  get current(): BackendTls {
    this.#current ??= BackendTls.read(this.#name, this.#config);
    return this.#current;
  }

  /** True: the files hold something else than they did, and another try makes sense. */
  renew(): boolean {
    const before = this.#current;
    if (before === null) return false;
    this.#current = before.readAgain(this.#name, this.#config);
    return this.#current !== before;
  }
}
