/**
 * What has happened to a row since each reader of the marks last took them: one byte a row, two bits a reader, so that readers do not take from each other.
 * 0: nothing, 1: a request was counted, 3: it was changed. Written under the lock of the row's bucket, after the row.
 */

/** Who takes marks. */
export const MarkReader = {
  /** Writes changes to the store that nodes share. */
  STORE: 0,
  /** Sends changes to the process that takes over. */
  HANDOVER: 1,
  /** Asks whether there is anything to write to the snapshot. */
  SNAPSHOT: 2,
  /** Sends what begins, moves or ends here back to the process that this one takes over from. */
  ORIGIN: 3,
} as const;

/** One of the values of MarkReader. */
export type MarkReader = (typeof MarkReader)[keyof typeof MarkReader];

/** A request was counted: for every reader. */
export const TOUCHED = 0b01010101;
/** Changed: for every reader. */
export const CHANGED = 0b11111111;
/** Changed by what another process said: the store that it came from, or that process itself, need not hear of it again (the next process must). */
export const LEARNED = 0b00111100;

/** The bits of one reader. */
export function bitsOf(reader: MarkReader): number {
  return 3 << (reader * 2);
}

/** The bits that tell a reader of a mark of at least this level: 1 touched, 2 changed. */
export function bitsFrom(reader: MarkReader, least: 1 | 2): number {
  return (least === 1 ? 3 : 2) << (reader * 2);
}

/** How many rows have changed for a reader: one pass over all marks. */
export function countMarked(marks: Uint8Array, reader: MarkReader): number {
  const changed = bitsFrom(reader, 2);
  let count = 0;
  for (let at = 0; at < marks.length; at++) if ((marks[at]! & changed) !== 0) count++;
  return count;
}
