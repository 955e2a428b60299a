import type { RowRecord } from './row-record.ts';

/** Why a session went by itself. */
export type Departure = 'idle' | 'lifetime' | 'evicted';

/**
 * Is told what becomes of sessions in this process, each change once and by the thread that made it: what was learned
 * from another process is none, and a session that no backend has answered yet is none either. It is called under the
 * lock of the row's bucket: it must not throw, wait, or touch the table. The record is good during the call.
 */
export interface RowObserver {
  /** True: it wants to know of `gone` alone. */
  readonly endsOnly: boolean;
  /** A backend has answered it for the first time. */
  began(session: RowRecord): void;
  /** A row was made again for one that its cookie proves. */
  adopted(session: RowRecord): void;
  /** It is bound to another backend than this one now. `reason`: index into MOVE_REASONS. */
  moved(session: RowRecord, slot: number, generation: number, reason: number): void;
  /** It went because it was over its limits, or for another row. `asked`: a request came upon it. */
  gone(session: RowRecord, why: Departure, asked: boolean): void;
}
