/**
 * What has happened to a row since each reader last took its changes: one byte a row, two bits a reader, so that
 * readers do not take from each other. 0: nothing, 1: a request was counted, 3: it was changed. Written under the lock
 * of the row's bucket, after the row.
 */

/** Who takes changes. */
export const ChangeReader = {
  /** Writes changes to the store that nodes share. */
  STORE: 0,
  /** Sends changes to the process that takes over. */
  HANDOVER: 1,
  /** Asks whether there is anything to write to the snapshot. */
  SNAPSHOT: 2,
  /** Sends what begins, moves or ends here back to the process that this one takes over from. */
  ORIGIN: 3,
} as const;

/** One of the values of ChangeReader. */
export type ChangeReader = (typeof ChangeReader)[keyof typeof ChangeReader];

/** A request was counted: for every reader. */
export const TOUCHED = 0b01010101;
/** Changed: for every reader. */
export const CHANGED = 0b11111111;
/**
 * Changed by what another process said: the store that it came from, or that process itself, need not hear of it again
 * (the next process must).
 */
export const LEARNED = 0b00111100;

/** The bits of one reader. */
export function bitsOf(reader: ChangeReader): number {
  return 3 << (reader * 2);
}

/** The bits that tell a reader of a change of at least this level: 1 touched, 2 changed. */
export function bitsFrom(reader: ChangeReader, least: 1 | 2): number {
  return (least === 1 ? 3 : 2) << (reader * 2);
}

/** How many rows have changed for a reader: one pass over all rows. */
export function countChanged(changes: Uint8Array, reader: ChangeReader): number {
  const changed = bitsFrom(reader, 2);
  let count = 0;
  for (let at = 0; at < changes.length; at++) if ((changes[at]! & changed) !== 0) count++;
  return count;
}
