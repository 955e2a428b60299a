import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../src/config/duration.ts';
import {
  duration,
  formatSize,
  parseSize,
  percentage,
  rate,
  size,
  statusRanges,
  timer,
} from '../../src/config/scalars.ts';

test('a duration is a number with a unit, or several from the largest unit to the smallest', () => {
  const written = {
    '500ms': 500,
    '5s': 5000,
    '30m': 1_800_000,
    '12h': 43_200_000,
    '7d': 604_800_000,
    '1h30m': 5_400_000,
  };
  for (const [text, ms] of Object.entries({ ...written, '0s': 0, '1d2h3m4s5ms': 93_784_005 })) {
    assert.equal(parseDuration(text), ms, text);
  }
  for (const text of ['', '5', 's', '-1s', '1.5s', '5 s', '5S', '1s1h', '1s1s', ' 5s', '5s ', '1e3s']) {
    assert.equal(parseDuration(text), Number.NaN, text);
  }
});

test('every number of milliseconds is written so that it is read back', () => {
  fc.assert(fc.property(fc.nat(2 ** 31), (ms) => parseDuration(formatDuration(ms)) === ms));
  assert.equal(formatDuration(90_000), '90s');
  assert.equal(formatDuration(0), '0s');
});

test('every number of bytes is written so that it is read back', () => {
  fc.assert(fc.property(fc.nat(2 ** 31), (bytes) => parseSize(formatSize(bytes)) === bytes));
  assert.equal(formatSize(65_536), '64KiB');
  for (const text of ['64KB', '64k', '1.5MiB', '-1B', '1 KiB', '']) assert.equal(parseSize(text), Number.NaN, text);
});

test('a timer is never longer than the 31 bits of a timer of Node, which would fire at once', () => {
  assert.equal(timer().parse('24d'), 24 * 86_400_000);
  assert.equal(timer().safeParse('24d1ms').success, false);
  assert.equal(timer().safeParse('0s').success, false);
  assert.equal(timer('zero').parse('0s'), 0);
  assert.equal(duration().parse('3650d'), 3650 * 86_400_000);
  assert.equal(duration().parse('1ms'), 1);
  assert.equal(duration().safeParse('0ms').success, false);
});

test('a size is text with a unit or a plain number of bytes within its limits', () => {
  assert.equal(size(1, 2048).parse('2KiB'), 2048);
  assert.equal(size(1, 2048).parse(7), 7);
  for (const value of ['3KiB', 0, 1.5, -1, true, null])
    assert.equal(size(1, 2048).safeParse(value).success, false, String(value));
});

test('a percentage is a fraction from 0 to 1', () => {
  assert.equal(percentage().parse('12.5%'), 0.125);
  assert.equal(percentage().parse('100%'), 1);
  for (const value of ['100.1%', '-1%', '20', 20, '1e1%'])
    assert.equal(percentage().safeParse(value).success, false, String(value));
  fc.assert(fc.property(fc.integer({ min: 0, max: 10_000 }), (n) => percentage().encode(n / 10_000) === `${n / 100}%`));
});

test('a rate is a count in a number of milliseconds', () => {
  assert.deepEqual(rate().parse('50/s'), { count: 50, perMs: 1000 });
  assert.deepEqual(rate().parse('600/m'), { count: 600, perMs: 60_000 });
  assert.equal(rate().encode({ count: 5, perMs: 3_600_000 }), '5/h');
  for (const value of ['0/s', '5/d', '5', 5]) assert.equal(rate().safeParse(value).success, false, String(value));
});

test('statuses are ranges that include both ends', () => {
  assert.deepEqual(statusRanges().parse('200-399'), [{ from: 200, to: 399 }]);
  assert.deepEqual(statusRanges().parse(204), [{ from: 204, to: 204 }]);
  assert.equal(
    statusRanges().encode([
      { from: 200, to: 200 },
      { from: 301, to: 302 },
    ]),
    '200, 301-302',
  );
  for (const value of ['600', '99', '300-200', '2xx', '', 600])
    assert.equal(statusRanges().safeParse(value).success, false, String(value));
});
