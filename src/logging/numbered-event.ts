import type { Numbered } from './event-order.ts';
import type { SessionEvent } from './session-journal.ts';

/** An event with its place among those of all threads. */
export interface NumberedEvent extends SessionEvent, Numbered {}

/** What a thread has noted since its last batch. */
export interface EventBatch {
  readonly events: readonly NumberedEvent[];
  /** Events beyond what a batch may hold: they were not kept. */
  readonly lost: number;
}
