import { RowRecord } from '../table/row-record.ts';
import type { SessionTable } from '../table/table.ts';
import { RECORD_BYTES, type RecordDecoder } from './snapshot-record.ts';

/** What became of rows that were read. */
export interface LoadCounts {
  /** Rows that came. */
  rows: number;
  /** Sessions and ends that this process knew nothing of. */
  added: number;
  /** Sessions of backends that are gone, and what can be no session. */
  leftOut: number;
}

const record = new RowRecord();

/**
 * Merges encoded rows, a whole number of them, into the table.
 * @param first the first row that is meant, and every `step`th one behind it
 */
export function loadRecords(
  bytes: Uint8Array,
  decoder: RecordDecoder,
  table: SessionTable,
  now: number,
  counts: LoadCounts,
  first = 0,
  step = 1,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  decoder.refresh();
  for (let at = first * RECORD_BYTES; at < bytes.byteLength; at += step * RECORD_BYTES) {
    counts.rows++;
    const merged = decoder.decode(view, at, record) && !record.key.isZero() ? table.merge(record, now) : 'refused';
    if (merged === 'refused') counts.leftOut++;
    else if (merged === 'added') counts.added++;
  }
}
