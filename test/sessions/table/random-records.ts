import fc from 'fast-check';
import type { Key } from '../../../src/keys/key.ts';
import { RowRecord } from '../../../src/sessions/table/row-record.ts';

/** Wall-clock time of the records. */
export const T = 1_750_000_000_000;

/** Rows of other processes that have much in common, so that they meet in every way. */
export function records(key: Key): fc.Arbitrary<RowRecord> {
  const small = fc.nat(2);
  return fc
    .record({
      ended: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
      provisional: fc.boolean(),
      pending: fc.boolean(),
      backend: small,
      /** Three lives of a backend, and three of one that had its slot before. */
      generation: fc.integer({ min: 1, max: 6 }),
      requests: fc.integer({ min: 1, max: 3 }),
      issued: fc.oneof(fc.constant(0), fc.integer({ min: T + 10, max: T + 12 })),
      created: fc.integer({ min: T - 2, max: T }),
      lastSeen: fc.integer({ min: T + 1, max: T + 3 }),
      moves: small,
      movedFrom: fc.integer({ min: -1, max: 2 }),
      /** Known or not, but never two that differ: they belong to the session. */
      knows: fc.boolean(),
      /** Another name of one of two sessions. */
      joined: fc.oneof(
        { weight: 4, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
      ),
    })
    .map(({ knows, joined, ...fields }) => {
      const record = Object.assign(new RowRecord(), fields);
      record.firstStamp = record.generation > 3 ? 4 : 1;
      record.latestStamp = record.generation > 3 ? 6 : 3;
      record.key.copy(key);
      record.pool = 1;
      record.by = 3;
      // One that was never moved has nothing to tell; a reason belongs to a place.
      if (record.moves === 0) record.movedFrom = -1;
      record.movedReason = record.movedFrom < 0 ? 0 : record.movedFrom + 1;
      record.bindingHash = knows ? 77 : 0;
      record.userA = knows ? -5 : 0;
      record.userB = knows ? 6 : 0;
      if (joined === 0 || record.ended) return record;
      // Such a row has nothing of its own but when it was seen and where its session was.
      record.joined = true;
      record.session.set(9, 9, 9, joined);
      Object.assign(record, { provisional: false, pending: false, requests: 1, issued: 0, userA: 0, userB: 0 });
      Object.assign(record, { moves: 0, movedFrom: -1, movedReason: 0 });
      return record;
    });
}
