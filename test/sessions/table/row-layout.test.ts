import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeIssued, encodeIssued } from '../../../src/sessions/table/row-layout.ts';

const DAY = 86_400_000;

test('when a cookie was sent is exact for 24 days, to the second for 68 years, and never mistaken for never', () => {
  assert.equal(decodeIssued(0), -1);
  assert.equal(decodeIssued(encodeIssued(0)), 0);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 24 * DAY }), (elapsed) => {
      assert.equal(decodeIssued(encodeIssued(elapsed) | 0), elapsed);
    }),
  );
  const borders = fc.integer({ min: 20 * DAY, max: 60 * DAY });
  fc.assert(
    fc.property(fc.oneof(borders, fc.integer({ min: 0, max: 68 * 365 * DAY })), (elapsed) => {
      const read = decodeIssued(encodeIssued(elapsed) | 0);
      assert.ok(read <= elapsed && read > elapsed - 1000);
    }),
  );
});

test('a clock that was set back, or a session beyond all time, does not break it', () => {
  assert.equal(decodeIssued(encodeIssued(-5000)), 0);
  assert.equal(decodeIssued(encodeIssued(1e18)), 0x7fffffff * 1000);
});
