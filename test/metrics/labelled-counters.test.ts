import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabelledCounters } from '../../src/metrics/labelled-counters.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';

test('a drain gives what was counted since the last one, and totals add up the drains of all workers', () => {
  const [first, second, totals] = [new LabelledCounters(), new LabelledCounters(), new LabelledTotals()];
  assert.deepEqual(first.drain(), []);
  first.add('limpet_errors_total', 'NO_ROUTE');
  first.add('limpet_errors_total', 'NO_ROUTE');
  first.add('limpet_failovers_total', 'shop', 'a', 'b', 'backend-down');
  second.add('limpet_errors_total', 'NO_ROUTE');
  const drained = first.drain();
  assert.deepEqual(drained, [
    { name: 'limpet_errors_total', labels: ['NO_ROUTE'], count: 2 },
    { name: 'limpet_failovers_total', labels: ['shop', 'a', 'b', 'backend-down'], count: 1 },
  ]);
  assert.deepEqual(first.drain(), []);
  for (const batch of [drained, second.drain()]) totals.add(structuredClone(batch));
  assert.deepEqual([...totals.series('limpet_errors_total')], [{ labels: ['NO_ROUTE'], count: 3 }]);
  assert.deepEqual([...totals.series('limpet_retries_total')], []);
  assert.equal(drained[0]!.count, 2, 'a batch that was added is left as it was');
});

test('label values are told apart however they are cut', () => {
  const counters = new LabelledCounters();
  counters.add('limpet_retries_total', 'a-b', 'c');
  counters.add('limpet_retries_total', 'a', 'b-c');
  assert.equal(counters.drain().length, 2);
});

test('what backends that come and go leave behind is bounded: the series that have not grown for longest go', () => {
  const totals = new LabelledTotals();
  const moved = (from: number, count: number) => [
    { name: 'limpet_failovers_total' as const, labels: ['shop', `${from}`, 'b', 'backend-down'], count },
  ];
  for (let from = 0; from < 40_000; from++) {
    totals.add(moved(from, 1));
    totals.add(moved(0, 1));
  }
  const series = [...totals.series('limpet_failovers_total')];
  assert.ok(series.length <= 10_000, `${series.length}`);
  assert.equal(series.find(({ labels }) => labels[1] === '0')?.count, 40_001);
  assert.ok(series.some(({ labels }) => labels[1] === '39999'));
});
