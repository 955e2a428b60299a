/** Labelled counters that are too sparse for a cell of shared memory: their label names and help texts. */
export const LABELLED_METRICS = {
  limpet_failovers_total: {
    labels: ['pool', 'from', 'to', 'reason'],
    help: 'Sessions moved from one backend to another.',
  },
  limpet_backend_restarts_total: {
    labels: ['pool', 'backend', 'sign'],
    help: 'Ends of the process of a backend, by what told of it: boot, refused, operator, store.',
  },
  limpet_retries_total: {
    labels: ['pool', 'reason'],
    help: 'Attempts after the first one of a request, by what went wrong before.',
  },
  limpet_refused_responses_total: {
    labels: ['pool', 'backend', 'reason'],
    help: 'Responses of backends that are not valid HTTP, by what is wrong with them.',
  },
  limpet_resumed_total: {
    labels: ['pool'],
    help: 'Broken responses that went on at another backend.',
  },
  limpet_binding_mismatches_total: {
    labels: ['pool', 'action'],
    help: 'Requests with a session that is bound to another client, by what was done: observe, renew, reject.',
  },
  limpet_errors_total: {
    labels: ['code'],
    help: 'Requests that limpet answered with an error of its own or could not answer, by Limpet-Error code.',
  },
  limpet_tls_handshakes_total: {
    labels: ['listener', 'resumed'],
    help: 'TLS handshakes with clients; resumed: with a ticket, without certificates and signatures.',
  },
  limpet_tls_handshake_failures_total: {
    labels: ['listener', 'reason'],
    help: 'TLS handshakes with clients that came to nothing.',
  },
  limpet_refused_connections_total: {
    labels: ['listener', 'reason'],
    help: 'Client connections that were closed before HTTP began on them, TLS aside.',
  },
  limpet_stop_crossings_total: {
    labels: ['listener'],
    help: 'Requests that came when their idle connection had just been ended by a stop: their clients had to send them again.',
  },
  limpet_memory_ended_connections_total: {
    labels: [],
    help: 'Client connections that were ended because memory was far too short (limits.memory).',
  },
  limpet_socket_lost_wakeups_total: {
    labels: [],
    help: 'Times that the system did not tell of bytes that had come, which was found out a moment later.',
  },
  limpet_watchdog_ended_workers_total: {
    labels: [],
    help: 'Workers that were ended because they used CPU and made no progress (watchdog).',
  },
  limpet_audit_dropped_total: {
    labels: [],
    help: 'Session events that are missing in the audit log: its file could not be written for too long, or a worker died with them.',
  },
  limpet_spans_dropped_total: {
    labels: [],
    help: 'Spans that were not taken by the collector of tracing.otlp: it was away or refused them, or there were too many.',
  },
} as const satisfies { readonly [name: string]: { readonly labels: readonly string[]; readonly help: string } };

/** One of LABELLED_METRICS. */
export type LabelledMetric = keyof typeof LABELLED_METRICS;

/** A text for each label of the metric, in the order of LABELLED_METRICS. */
type MetricLabels<M extends LabelledMetric> = TextPerName<(typeof LABELLED_METRICS)[M]['labels']>;
type TextPerName<Names extends readonly string[]> = { readonly [I in keyof Names]: string };

/** How often something rare happened since the last drain; structured-cloneable. */
export interface LabelledCount {
  readonly name: LabelledMetric;
  readonly labels: readonly string[];
  readonly count: number;
}

/** Label values hold no control character: pool names, backend ids and closed sets of words. */
const SEPARATOR = '\u0000';

/** The labelled counters of one worker, drained into its batch to the supervisor. */
export class LabelledCounters {
  #counts = new Map<string, { name: LabelledMetric; labels: readonly string[]; count: number }>();

  /**
   * Counts one more. `labels` must come from configuration or a closed set, never from a client: each is a series of
   * its own.
   */
  add<M extends LabelledMetric>(name: M, ...labels: MetricLabels<M>): void {
    const key = name + SEPARATOR + labels.join(SEPARATOR);
    const entry = this.#counts.get(key);
    if (entry === undefined) this.#counts.set(key, { name, labels, count: 1 });
    else entry.count++;
  }

  /** What was counted since the last call; the counters start again at zero. */
  drain(): LabelledCount[] {
    if (this.#counts.size === 0) return [];
    const counts = [...this.#counts.values()];
    this.#counts = new Map();
    return counts;
  }
}
