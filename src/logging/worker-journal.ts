import type { EventSequence } from './event-sequence.ts';
import type { EventBatch, NumberedEvent } from './numbered-event.ts';
import type { SessionEvent, SessionJournal } from './session-journal.ts';

/** Events of a batch; a worker that is not drained drops those beyond it. */
const LONGEST_BATCH = 50_000;

/**
 * The events of a worker: numbered as they happen, they gather here and travel to the supervisor with the worker's
 * batch.
 */
export class WorkerJournal implements SessionJournal {
  readonly #sequence: EventSequence;
  readonly #longest: number;
  #events: NumberedEvent[] = [];
  #lost = 0;

  constructor(sequence: EventSequence, longest = LONGEST_BATCH) {
    this.#sequence = sequence;
    this.#longest = longest;
  }

  note(event: SessionEvent): void {
    if (this.#events.length >= this.#longest) this.#lost++;
    else this.#events.push({ ...event, sequence: this.#sequence.next() });
  }

  /** What has been noted since the last call; null: nothing. */
  drain(): EventBatch | null {
    if (this.#events.length === 0 && this.#lost === 0) return null;
    const batch = { events: this.#events, lost: this.#lost };
    this.#events = [];
    this.#lost = 0;
    return batch;
  }
}
