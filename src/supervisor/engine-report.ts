import type { Logger } from '../logging/logger.ts';
import {
  chooseEngine,
  type EngineChoice,
  engineFacts,
  type SocketEngine,
  type WantedEngine,
} from '../sockets/choose-engine.ts';

/**
 * Keeps by which engine the connections of each worker go, and says once why it is not the one that was to be expected.
 */
export class EngineReport {
  readonly #wanted: WantedEngine;
  readonly #log: Logger;
  readonly #engines = new Map<number, SocketEngine>();
  readonly #said = new Set<string>();

  constructor(wanted: WantedEngine, log: Logger) {
    this.#wanted = wanted;
    this.#log = log;
  }

  /** Engines in use by some worker. */
  get inUse(): SocketEngine[] {
    return [...new Set(this.#engines.values())];
  }

  /** A worker has started. */
  note(worker: number, { engine, why }: EngineChoice): void {
    this.#engines.set(worker, engine);
    if (why === null || this.#said.has(why)) return;
    this.#said.add(why);
    const fields = { engine, why, worker };
    // Known beforehand, and what `auto` is for: the line on the start names the engine.
    if (this.#wanted === 'auto' && chooseEngine('auto', engineFacts()).why === why) {
      this.#log.debug(fields, 'connections go through Node, not by system calls');
    } else this.#log.warn(fields, 'connections go through Node: system calls cannot be relied on here');
  }
}
