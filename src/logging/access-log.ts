import type { ErrorCode } from '../errors.ts';
import { OUTCOMES } from '../metrics/outcomes.ts';
import type { LineSink, LogLevel } from './logger.ts';
import { publicPath } from './public-path.ts';

/**
 * What the access log says of one request. Its owner may reuse the object: `log` keeps nothing of it.
 * An empty text stands for a field that the request does not have.
 */
export interface AccessRecord {
  /** When the request ended, ms since epoch. */
  time: number;
  /** Its `X-Request-Id`. */
  id: string;
  /** Address of the client, behind trusted proxies. */
  client: string;
  method: string;
  host: string;
  /** Path of the request; what stands behind `?` and the values of path parameters are not written. */
  path: string;
  /** Status that the client got; 499: it left before. */
  status: number;
  /** Body bytes, read from and written to the client. */
  bytesIn: number;
  bytesOut: number;
  durationMs: number;
  /** Name of the pool; empty when no route matched. */
  pool: string;
  /** Id of the backend that answered last; empty when there was none. */
  backend: string;
  /** Public id of the session, never a key or a cookie; empty when there was none. */
  session: string;
  /** Index into OUTCOMES; -1: the request ended before its affinity was looked at. */
  affinity: number;
  /** Tries at a backend. */
  attempts: number;
  /** Why limpet answered itself or could not answer. */
  error: ErrorCode | null;
  /** What was wrong with the message that was refused, or how the connection failed; empty when there is no error. */
  detail: string;
}

/**
 * Anything that JSON has to escape, or that is not printable ASCII (escaped too: a log line is safe in every terminal).
 */
const UNSAFE = /[^\x20\x21\x23-\x5b\x5d-\x7e]/;
const SECOND = 1000;
/** Milliseconds of a second, or microseconds of a millisecond, as three digits. */
const DIGITS: readonly string[] = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));

/**
 * The access log: one JSON line a request, always with the same members; a member that a request does not have is null.
 * No secret is written: session keys travel in query strings (`?sid=…`) and path parameters (`;jsessionid=…`), so the
 * path is cut at `?` and parameter values become `*`.
 *
 * The line is put together by hand, a fifth of the cost of a general serializer (bench/micro/access-log.ts).
 */
export class AccessLog {
  readonly #sink: LineSink;
  readonly #client = new Quoted();
  readonly #method = new Quoted();
  readonly #host = new Quoted();
  readonly #pool = new Quoted();
  readonly #backend = new Quoted();
  readonly #detail = new Quoted();
  #second = -1;
  #clock = '';

  constructor(sink: LineSink) {
    this.#sink = sink;
  }

  /** Whether lines are written at all: they have level `info`, so `log.access` and `log.level` both have a say. */
  static isOn(access: boolean, level: LogLevel): boolean {
    return access && (level === 'trace' || level === 'debug' || level === 'info');
  }

  /** Writes the line of a request that has ended. */
  log(record: AccessRecord): void {
    const { error, affinity } = record;
    this.#sink.write(
      `{"level":"info","time":"${this.#time(record.time)}","msg":"request","id":${quote(record.id)}` +
        `,"client":${this.#client.of(record.client)},"method":${this.#method.of(record.method)}` +
        `,"host":${this.#host.of(record.host)},"path":${quote(publicPath(record.path))}` +
        `,"status":${record.status},"bytesIn":${record.bytesIn},"bytesOut":${record.bytesOut}` +
        `,"durationMs":${milliseconds(record.durationMs)},"pool":${this.#pool.of(record.pool)}` +
        `,"backend":${this.#backend.of(record.backend)},"session":${quote(record.session)}` +
        `,"affinity":${affinity < 0 ? 'null' : `"${OUTCOMES[affinity]}"`}` +
        `,"attempts":${record.attempts},"error":${error === null ? 'null' : `"${error}"`}` +
        `,"detail":${this.#detail.of(record.detail)}}\n`,
    );
  }

  /** ISO 8601 in UTC; everything but the milliseconds is made once a second. */
  #time(ms: number): string {
    const second = Math.floor(ms / SECOND);
    if (second !== this.#second) {
      this.#second = second;
      this.#clock = new Date(second * SECOND).toISOString().slice(0, 20);
    }
    return `${this.#clock}${DIGITS[Math.floor(ms - second * SECOND)]}Z`;
  }
}

/** A field that seldom changes from one request to the next: the last value is kept with its JSON. */
class Quoted {
  #value = '';
  #json = 'null';

  of(value: string): string {
    if (value !== this.#value) {
      this.#value = value;
      this.#json = quote(value);
    }
    return this.#json;
  }
}

function quote(value: string): string {
  if (value === '') return 'null';
  return UNSAFE.test(value) ? escaped(value) : `"${value}"`;
}

/** JSON in ASCII alone. */
function escaped(value: string): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** With three decimals, as microseconds are what a clock has to say; a clock that stepped back says 0. */
function milliseconds(ms: number): string {
  const us = ms > 0 ? Math.round(ms * 1000) : 0;
  const whole = Math.floor(us / 1000);
  return `${whole}.${DIGITS[us - whole * 1000]}`;
}
