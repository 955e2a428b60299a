import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CounterSums } from '../../src/metrics/counter-sums.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';
import type { MetricsSource } from '../../src/metrics/metrics-source.ts';
import { Outcome } from '../../src/metrics/outcomes.ts';
import { metricsRegistry } from '../../src/metrics/registry.ts';
import { type Family, parseExposition, sampleValue } from './exposition.ts';

const source: MetricsSource = {
  pools: () => [
    {
      name: 'shop',
      index: 0,
      backends: [
        { id: 'a', slot: 3 },
        { id: 'b', slot: 5 },
      ],
    },
    { name: 'api', index: 1, backends: [{ id: 'a', slot: 6 }] },
  ],
  listeners: () => [
    { bind: '0.0.0.0:8080', index: 0 },
    { bind: 'unix:/run/"limpet".sock', index: 1 },
  ],
  activeRequests: (slot) => slot * 10,
  life: (slot) => slot,
  isUp: (slot) => slot !== 5,
  sessions: (slot) => slot + 1,
  sessionsOfPool: (pool) => 100 + pool,
  evictions: () => 17,
  ends: () => 19,
  endsDropped: () => 23,
  workerRestarts: () => 2,
  socketEngines: () => ['node'],
  turns: () => 3,
  waitingForTurn: () => [{ pool: 'shop', count: 2 }],
  memory: () => ({ short: false, used: 1, limit: 2 }),
  storeUp: () => false,
  configGeneration: () => 4,
  reloads: () => ({ ok: 3, failed: 1 }),
};

function make(processMetrics = false) {
  const memory = Counters.allocate(2, 2, 8, 2);
  const labelled = new LabelledTotals();
  const registry = metricsRegistry({ source, sums: new CounterSums(memory), labelled, processMetrics });
  const collect = async () => parseExposition(await registry.metrics());
  return { counters: [new Counters(memory, 0), new Counters(memory, 1)] as const, labelled, registry, collect };
}

/** Checks the histograms of a family as Prometheus does. Answers count and sum of the series with these labels. */
function checkHistogram(family: Family, labels: Record<string, string>): { count: number; sum: number } {
  const of = (suffix: string) =>
    family.samples.filter(
      (sample) =>
        sample.name === family.name + suffix && Object.entries(labels).every(([k, v]) => sample.labels[k] === v),
    );
  const buckets = of('_bucket');
  const bounds = buckets.map((bucket) => Number(bucket.labels.le!.replace('+Inf', 'Infinity')));
  assert.deepEqual(
    bounds,
    [...bounds].sort((a, b) => a - b),
  );
  assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY);
  buckets.reduce((before, bucket) => {
    assert.ok(bucket.value >= before.value, 'buckets are cumulative');
    return bucket;
  });
  const [count] = of('_count');
  const [sum] = of('_sum');
  assert.equal(buckets.at(-1)!.value, count!.value);
  return { count: count!.value, sum: sum!.value };
}

test('every metric of the interface is there, with its type and a help text', async () => {
  const families = await make(true).collect();
  const types = Object.fromEntries([...families].map(([name, { type }]) => [name, type]));
  const expected = {
    limpet_requests_total: 'counter',
    limpet_request_duration_seconds: 'histogram',
    limpet_backend_response_seconds: 'histogram',
    limpet_requests_active: 'gauge',
    limpet_connections: 'gauge',
    limpet_sessions: 'gauge',
    limpet_sessions_by_backend: 'gauge',
    limpet_affinity_total: 'counter',
    limpet_failovers_total: 'counter',
    limpet_retries_total: 'counter',
    limpet_resumed_total: 'counter',
    limpet_refused_responses_total: 'counter',
    limpet_backend_up: 'gauge',
    limpet_session_evictions_total: 'counter',
    limpet_session_ends: 'gauge',
    limpet_session_ends_dropped_total: 'counter',
    limpet_errors_total: 'counter',
    limpet_worker_restarts_total: 'counter',
    limpet_dialog_waiting: 'gauge',
    limpet_dialog_turns: 'gauge',
    limpet_store_up: 'gauge',
    limpet_config_generation: 'gauge',
    limpet_reloads_total: 'counter',
    process_resident_memory_bytes: 'gauge',
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, types[name]])), expected);
  for (const { help } of families.values()) assert.ok(help.length > 10);
});

test('requests have a series for each status that occurred and for no other', async () => {
  const { counters, collect } = make();
  counters[0].request(0, 3, 200, 10, 20, 1);
  counters[1].request(0, 3, 200, 1, 2, 1);
  counters[1].request(0, 3, 404, 0, 0, 1);
  counters[0].request(1, 6, 200, 0, 0, 1);
  counters[0].request(1, -1, 503, 0, 0, 1);
  counters[0].request(-1, -1, 404, 0, 0, 1);
  const families = await collect();
  assert.deepEqual(
    families
      .get('limpet_requests_total')!
      .samples.map(({ labels, value }) => `${labels.pool} ${labels.backend} ${labels.code} ${value}`)
      .sort(),
    ['  404 1', 'api  503 1', 'api a 200 1', 'shop a 200 2', 'shop a 404 1'],
  );
  assert.equal(sampleValue(families.get('limpet_received_bytes_total'), { pool: 'shop', backend: 'a' }), 11);
  assert.equal(sampleValue(families.get('limpet_sent_bytes_total'), { pool: 'shop', backend: 'a' }), 22);
});

test('histograms are cumulative, in seconds, and their +Inf bucket is their count', async () => {
  const { counters, collect } = make();
  counters[0].request(0, 3, 200, 0, 0, 3);
  counters[1].request(0, 3, 200, 0, 0, 70_000);
  counters[1].backendResponse(5, 40);
  const families = await collect();
  const durations = families.get('limpet_request_duration_seconds')!;
  assert.deepEqual(checkHistogram(durations, { pool: 'shop' }), { count: 2, sum: 70.003 });
  assert.deepEqual(checkHistogram(durations, { pool: 'api' }), { count: 0, sum: 0 });
  assert.equal(sampleValue(durations, { pool: 'shop', le: '0.0025' }), 0);
  assert.equal(sampleValue(durations, { pool: 'shop', le: '0.005' }), 1);
  assert.equal(sampleValue(durations, { pool: 'shop', le: '60' }), 1);
  const responses = families.get('limpet_backend_response_seconds')!;
  assert.deepEqual(checkHistogram(responses, { pool: 'shop', backend: 'b' }), { count: 1, sum: 0.04 });
  assert.deepEqual(checkHistogram(responses, { pool: 'shop', backend: 'a' }), { count: 0, sum: 0 });
});

test('live state is read at the moment of the collection', async () => {
  const { counters, labelled, collect } = make();
  counters[0].connectionOpened(1);
  counters[1].connectionOpened(1);
  counters[1].connectionClosed(1);
  counters[0].affinity(0, Outcome.bound);
  counters[1].affinity(0, Outcome.bound);
  counters[1].affinity(0, Outcome.lost);
  labelled.add([
    { name: 'limpet_failovers_total', labels: ['shop', 'a', 'b', 'backend-down'], count: 4 },
    { name: 'limpet_retries_total', labels: ['shop', 'BACKEND_RESET'], count: 5 },
    { name: 'limpet_errors_total', labels: ['NO_ROUTE'], count: 6 },
  ]);
  for (let round = 0; round < 2; round++) {
    const families = await collect();
    const value = (name: string, labels: Record<string, string>) => sampleValue(families.get(name), labels);
    assert.equal(value('limpet_requests_active', { pool: 'shop', backend: 'b' }), 50);
    assert.equal(value('limpet_connections', { listener: 'unix:/run/"limpet".sock' }), 1);
    assert.equal(value('limpet_connections', { listener: '0.0.0.0:8080' }), 0);
    assert.equal(value('limpet_sessions', { pool: 'api' }), 101);
    assert.equal(value('limpet_sessions_by_backend', { pool: 'api', backend: 'a' }), 7);
    assert.equal(value('limpet_affinity_total', { pool: 'shop', outcome: 'bound' }), 2);
    assert.equal(value('limpet_affinity_total', { pool: 'shop', outcome: 'lost' }), 1);
    assert.equal(value('limpet_affinity_total', { pool: 'api', outcome: 'new' }), 0);
    assert.equal(value('limpet_backend_up', { pool: 'shop', backend: 'a' }), 1);
    assert.equal(value('limpet_backend_up', { pool: 'shop', backend: 'b' }), 0);
    assert.equal(value('limpet_session_evictions_total', {}), 17);
    assert.equal(value('limpet_session_ends', {}), 19);
    assert.equal(value('limpet_session_ends_dropped_total', {}), 23);
    assert.equal(value('limpet_worker_restarts_total', {}), 2);
    assert.equal(value('limpet_dialog_waiting', { pool: 'shop' }), 2);
    assert.equal(value('limpet_dialog_turns', {}), 3);
    assert.equal(value('limpet_store_up', {}), 0);
    assert.equal(value('limpet_config_generation', {}), 4);
    assert.equal(value('limpet_reloads_total', { result: 'ok' }), 3);
    assert.equal(value('limpet_reloads_total', { result: 'failed' }), 1);
    assert.equal(value('limpet_failovers_total', { pool: 'shop', from: 'a', to: 'b', reason: 'backend-down' }), 4);
    assert.equal(value('limpet_retries_total', { pool: 'shop', reason: 'BACKEND_RESET' }), 5);
    assert.equal(value('limpet_errors_total', { code: 'NO_ROUTE' }), 6);
  }
});
