import type { Logger } from '../logging/logger.ts';
import type { LabelledCount } from '../metrics/labelled-counters.ts';

const QUIET_MS = 60_000;
/** Backends times reasons that are remembered. */
const MOST = 1_000;

/**
 * Says in the log that a backend sends responses that are refused, and why: once a minute for each backend and reason,
 * over all workers.
 */
export class RefusedResponses {
  readonly #log: Logger;
  readonly #said = new Map<string, { at: number; since: number }>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param now monotonic, ms */
  note(counts: readonly LabelledCount[], now: number): void {
    for (const { name, labels, count } of counts) {
      if (name !== 'limpet_refused_responses_total') continue;
      const [pool, backend, reason] = labels;
      const key = labels.join('\0');
      const said = this.#said.get(key);
      if (said !== undefined && now - said.at < QUIET_MS) {
        said.since += count;
        continue;
      }
      if (said === undefined && this.#said.size >= MOST && !this.#makeRoom(now)) continue;
      const responses = count + (said?.since ?? 0);
      this.#said.set(key, { at: now, since: 0 });
      this.#log.warn(
        { pool, backend, reason, responses },
        'a backend sends responses that are refused: they are not valid HTTP',
      );
    }
  }

  #makeRoom(now: number): boolean {
    for (const [key, { at }] of this.#said) if (now - at >= QUIET_MS) this.#said.delete(key);
    return this.#said.size < MOST;
  }
}
