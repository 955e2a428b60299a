import type { Exchange } from '../exchange/exchange.ts';
import type { AccessLog, AccessRecord } from '../logging/access-log.ts';
import type { Counters } from '../metrics/counters.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import { endTrace } from './request-spans.ts';
import { sessionOf } from './session/session-of.ts';

/** Counts and logs requests that have ended, after their last byte has been handed to the socket. */
export class RequestRecorder {
  readonly #counters: Counters;
  readonly #labelled: LabelledCounters;
  /** Null: no access log. */
  access: AccessLog | null;
  readonly #record: AccessRecord = {
    time: 0,
    id: '',
    client: '',
    method: '',
    host: '',
    path: '',
    status: 0,
    bytesIn: 0,
    bytesOut: 0,
    durationMs: 0,
    pool: '',
    backend: '',
    session: '',
    affinity: -1,
    attempts: 0,
    error: null,
    detail: '',
  };

  constructor(counters: Counters, labelled: LabelledCounters, access: AccessLog | null) {
    this.#counters = counters;
    this.#labelled = labelled;
    this.access = access;
  }

  /** @param now by performance.now */
  record(x: Exchange, now: number): void {
    const durationMs = now - x.startedAt;
    const pool = x.pool;
    const answered = x.error === null || x.lastBackend === null ? (x.lastBackend?.slot ?? -1) : -1;
    this.#counters.request(pool === null ? -1 : pool.index, answered, x.status, x.bytesIn, x.bytesOut, durationMs);
    if (pool !== null) this.#counters.affinity(pool.index, x.outcome);
    if (x.error !== null) this.#labelled.add('limpet_errors_total', x.error.code);
    if (x.trace !== null) endTrace(x, x.trace);
    const { access } = this;
    if (access === null) return;
    const record = this.#record;
    record.time = Date.now();
    record.id = x.requestId;
    record.client = x.client.address;
    record.method = x.method;
    record.host = x.host;
    record.path = x.path;
    record.status = x.status;
    record.bytesIn = x.bytesIn;
    record.bytesOut = x.bytesOut;
    record.durationMs = durationMs;
    record.pool = pool?.name ?? '';
    record.backend = x.lastBackend?.id ?? '';
    record.session = sessionOf(x);
    record.affinity = pool === null ? -1 : x.outcome;
    record.attempts = x.attempts;
    record.error = x.error?.code ?? null;
    record.detail = x.error === null ? '' : x.detail;
    access.log(record);
  }
}
