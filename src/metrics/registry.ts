import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { CounterSums } from './counter-sums.ts';
import { LABELLED_METRICS, type LabelledMetric } from './labelled-counters.ts';
import type { LabelledTotals } from './labelled-totals.ts';
import type { MetricsPool, MetricsSource } from './metrics-source.ts';
import { OUTCOMES } from './outcomes.ts';
import { SampledHistogram } from './sampled-histogram.ts';

type Labels = Readonly<Record<string, string>>;
type Set = (labels: Labels, value: number) => void;

/** What the metrics are made of. */
interface MetricsParts {
  readonly source: MetricsSource;
  readonly sums: CounterSums;
  readonly labelled: LabelledTotals;
  /** True: Node's own process metrics too. They start a timer and an observer that last as long as the process. */
  readonly processMetrics: boolean;
}

/** All metrics of limpet. Nothing is copied before a collection: `metrics()` reads the shared counters. */
export function metricsRegistry({ source, sums, labelled, processMetrics }: MetricsParts): Registry {
  const registry = new Registry();
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: readonly string[], collect: (set: Set) => void) => {
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        collect((labels, value) => this.inc(labels, value));
      },
    });
  };
  const gauge = (name: string, help: string, labelNames: readonly string[], collect: (set: Set) => void) => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        collect((labels, value) => this.set(labels, value));
      },
    });
  };
  const perBackend = (visit: (labels: Labels, slot: number, pool: MetricsPool) => void) => {
    for (const pool of source.pools()) {
      for (const { id, slot } of pool.backends) visit({ pool: pool.name, backend: id }, slot, pool);
    }
  };
  /** Backends, and what limpet answered itself: without a backend, and without a pool when no route matched. */
  const perAnswerer = (visit: (labels: Labels, slot: number, poolIndex: number) => void) => {
    visit({ pool: '', backend: '' }, -1, -1);
    for (const pool of source.pools()) visit({ pool: pool.name, backend: '' }, -1, pool.index);
    perBackend((labels, slot, pool) => visit(labels, slot, pool.index));
  };

  counter(
    'limpet_requests_total',
    'Requests that have ended, by status; no backend: answered by limpet itself, no pool: no route matched.',
    ['pool', 'backend', 'code'],
    (set) =>
      perAnswerer((labels, slot, pool) => sums.statuses(pool, slot, (code, count) => set({ ...labels, code }, count))),
  );
  counter(
    'limpet_received_bytes_total',
    'Body bytes of requests, as received from clients.',
    ['pool', 'backend'],
    (set) => perAnswerer((labels, slot, pool) => set(labels, sums.bytesIn(pool, slot))),
  );
  counter('limpet_sent_bytes_total', 'Body bytes of responses, as sent to clients.', ['pool', 'backend'], (set) =>
    perAnswerer((labels, slot, pool) => set(labels, sums.bytesOut(pool, slot))),
  );
  new SampledHistogram(
    registry,
    'limpet_request_duration_seconds',
    'Time from the first byte of a request to the last byte of its answer.',
    ['pool'],
    () => source.pools().map(({ name, index }) => ({ labels: { pool: name }, times: sums.durations(index) })),
  );
  new SampledHistogram(
    registry,
    'limpet_backend_response_seconds',
    'Time from sending a request to a backend to the head of its response.',
    ['pool', 'backend'],
    () =>
      source
        .pools()
        .flatMap(({ name, backends }) =>
          backends.map(({ id, slot }) => ({ labels: { pool: name, backend: id }, times: sums.responses(slot) })),
        ),
  );
  gauge('limpet_requests_active', 'Requests in flight.', ['pool', 'backend'], (set) =>
    perBackend((labels, slot) => set(labels, source.activeRequests(slot))),
  );
  gauge('limpet_connections', 'Open client connections.', ['listener'], (set) => {
    for (const { bind, index } of source.listeners()) set({ listener: bind }, sums.connections(index));
  });
  gauge('limpet_sessions', 'Sessions of a pool.', ['pool'], (set) => {
    for (const { name, index } of source.pools()) set({ pool: name }, source.sessionsOfPool(index));
  });
  gauge('limpet_sessions_by_backend', 'Sessions bound to a backend.', ['pool', 'backend'], (set) =>
    perBackend((labels, slot) => set(labels, source.sessions(slot))),
  );
  counter('limpet_affinity_total', 'Requests by what became of their affinity.', ['pool', 'outcome'], (set) => {
    for (const { name, index } of source.pools()) {
      OUTCOMES.forEach((outcome, i) => {
        set({ pool: name, outcome }, sums.affinity(index, i));
      });
    }
  });
  for (const [name, { help, labels }] of Object.entries(LABELLED_METRICS) as [
    LabelledMetric,
    (typeof LABELLED_METRICS)[LabelledMetric],
  ][]) {
    counter(name, help, labels, (set) => {
      for (const series of labelled.series(name)) {
        set(Object.fromEntries(labels.map((label, i) => [label, series.labels[i] ?? ''])), series.count);
      }
    });
  }
  gauge(
    'limpet_backend_up',
    '1 unless probes or traffic say that the backend is down; the admin state does not count.',
    ['pool', 'backend'],
    (set) => perBackend((labels, slot) => set(labels, source.isUp(slot) ? 1 : 0)),
  );
  gauge(
    'limpet_backend_life',
    'Which life of its process the backend is in: one more with each restart.',
    ['pool', 'backend'],
    (set) => perBackend((labels, slot) => set(labels, source.life(slot))),
  );
  counter(
    'limpet_session_evictions_total',
    'Sessions that were dropped because the table was full (sessions.max).',
    [],
    (set) => set({}, source.evictions()),
  );
  gauge('limpet_session_ends', 'Ends of sessions that take memory, so that their cookies stay refused.', [], (set) =>
    set({}, source.ends()),
  );
  counter(
    'limpet_session_ends_dropped_total',
    'Ends that were forgotten before their time: older cookies are good only while their session is in the table.',
    [],
    (set) => set({}, source.endsDropped()),
  );
  counter('limpet_worker_restarts_total', 'Workers that ended unexpectedly and were started again.', [], (set) =>
    set({}, source.workerRestarts()),
  );
  gauge('limpet_dialog_waiting', 'Requests that wait for the turn of their session (half-duplex).', ['pool'], (set) => {
    for (const { pool, count } of source.waitingForTurn()) set({ pool }, count);
  });
  gauge(
    'limpet_dialog_turns',
    'Requests that have the turn of their session, or wait for it (half-duplex).',
    [],
    (set) => set({}, source.turns()),
  );
  gauge(
    'limpet_socket_engine',
    '1 for the engine by which connections are read: system or node.',
    ['engine'],
    (set) => {
      for (const engine of ['system', 'node']) set({ engine }, source.socketEngines().includes(engine) ? 1 : 0);
    },
  );
  gauge('limpet_memory_pressure', '1 while memory is short (limits.memory).', [], (set) =>
    set({}, source.memory().short ? 1 : 0),
  );
  gauge('limpet_memory_used_bytes', 'Heap and buffers of connections, as limits.memory counts them.', [], (set) =>
    set({}, source.memory().used),
  );
  gauge('limpet_memory_limit_bytes', 'What limits.memory comes to; +Inf: no limit.', [], (set) =>
    set({}, source.memory().limit),
  );
  gauge(
    'limpet_store_up',
    '1 while the store of sessions answers; without a store of its own limpet keeps them in memory, which is always up.',
    [],
    (set) => set({}, source.storeUp() ? 1 : 0),
  );
  gauge('limpet_config_generation', '1 at the start, one more with each reload.', [], (set) =>
    set({}, source.configGeneration()),
  );
  counter(
    'limpet_reloads_total',
    'Reloads of the configuration: taken over (ok), or refused with nothing changed (failed).',
    ['result'],
    (set) => {
      for (const [result, count] of Object.entries(source.reloads())) set({ result }, count);
    },
  );
  if (processMetrics) collectDefaultMetrics({ register: registry });
  return registry;
}
