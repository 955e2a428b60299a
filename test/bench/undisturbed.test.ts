import assert from 'node:assert/strict';
import { test } from 'node:test';
import { undisturbed } from '../../bench/load/undisturbed.ts';

/** 2,000 requests a millisecond apart, each with its number as its latency in µs. */
const requests = Array.from({ length: 2_000 }, (_, n) => [n, n / 1000]).flat();
const looks = (...stolen: number[]) => [0, ...stolen].map((stolen, n) => ({ at: n * 100, stolen }));

test('all requests count where nothing was taken away', () => {
  const { latencies, kept } = undisturbed(requests, looks(...new Array<number>(20).fill(0)));
  assert.deepEqual([latencies.length, kept], [2_000, 1]);
});

test('those do not that were under way when a core was taken, nor those behind them', () => {
  // Seen at 500: it happened after 390, and what it held up is out by 600.
  const { latencies, kept } = undisturbed(requests, looks(0, 0, 0, 0, 0.02, 0, 0));
  const left = latencies.map((latency) => Math.round(latency * 1000));
  assert.deepEqual([left[389], left[390], left[391]], [389, 600, 601]);
  assert.equal(kept, 1_790 / 2_000);
});

test('one that waited for long does not count when a core was taken at any time of its wait', () => {
  const { latencies } = undisturbed([...requests, 100, 300, 700, 300], looks(0, 0, 0, 0, 0.02, 0, 0));
  assert.deepEqual(latencies.slice(-1), [300]);
  assert.equal(latencies.length, 1_791);
});

test('all count where too few would be left', () => {
  const { latencies, kept } = undisturbed(requests, looks(...new Array<number>(20).fill(0.01)));
  assert.deepEqual([latencies.length, kept], [2_000, 0]);
});
