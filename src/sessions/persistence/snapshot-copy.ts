import { setImmediate, setTimeout } from 'node:timers/promises';
import { threadWheel } from '../../timing/thread-wheel.ts';
import type { ChangeReader } from '../table/row-changes.ts';
import type { RowRecord } from '../table/row-record.ts';
import type { SessionTable } from '../table/table.ts';
import { RECORD_BYTES, type RecordEncoder } from './snapshot-record.ts';

/** Buckets at a time: 2,048 rows at most, under a millisecond or two. */
const BUCKETS = 256;
const CHUNK = BUCKETS * 8 * RECORD_BYTES;
/** How long a lock of a dead thread may stop a copy, ms. */
const PATIENCE = 10_000;

/**
 * Every live row and standing tombstone of the table, encoded, in chunks that are good until the next one is asked for.
 * Others get their turn between two chunks.
 * @param clears the reader whose changes count as taken before a row is read: what changes after that counts again
 * @param leftOut called for each session whose backend is gone
 * @throws Error with code SESSION_TABLE_BUSY when a lock cannot be had for long
 */
export async function* copyTable(
  table: SessionTable,
  encoder: RecordEncoder,
  now: () => number,
  clears: ChangeReader,
  leftOut: () => void,
): AsyncGenerator<Uint8Array, void> {
  const bytes = new Uint8Array(CHUNK);
  const view = new DataView(bytes.buffer);
  let at = 0;
  const visit = (record: RowRecord): void => {
    if (encoder.encode(record, view, at)) at += RECORD_BYTES;
    else leftOut();
  };
  let busySince: number | null = null;
  for (let bucket = 0; bucket < table.buckets; ) {
    at = 0;
    encoder.refresh();
    const wanted = Math.min(BUCKETS, table.buckets - bucket);
    const done = table.copy(bucket, wanted, visit, now(), clears);
    bucket += done;
    if (at > 0) yield bytes.subarray(0, at);
    if (done === wanted) {
      busySince = null;
      await setImmediate();
      continue;
    }
    busySince ??= threadWheel.now;
    if (threadWheel.now - busySince > PATIENCE)
      throw Object.assign(new Error('a lock of the session table cannot be had'), { code: 'SESSION_TABLE_BUSY' });
    await setTimeout(20);
  }
  for (let cursor = 0; cursor >= 0; ) {
    at = 0;
    cursor = table.copyEnded(cursor, BUCKETS * 8, visit, now());
    if (at > 0) yield bytes.subarray(0, at);
    await setImmediate();
  }
}
