import type { SpanBuffer } from './span-buffer.ts';
import type { TraceIds } from './trace-ids.ts';

/** What a request brought of a trace, and what became of it here. */
interface TraceOrigin {
  readonly traceId: string;
  /** The client's span; '': the trace begins here. */
  readonly parentId: string;
  /** See Traceparent. */
  readonly flags: number;
  /** Value of the client's `tracestate`; '': none. */
  readonly state: string;
  readonly sampled: boolean;
  readonly userAgent: string;
  /**
   * What is to be added to a time of `performance.now` for one since epoch, in ms: one for all spans of a request, so
   * that they lie within each other.
   */
  readonly epoch: number;
}

const RANDOM_FLAG = 2;

/**
 * The place of a request in its trace while it is under way. Its spans are made when they end, and only when it is
 * sampled.
 */
export class RequestTrace {
  readonly origin: TraceOrigin;
  readonly spans: SpanBuffer;
  /** Id of the span of the request. */
  readonly spanId: string;
  /** The `traceparent` line for the backend, with its CRLF: it names the span of the attempt. */
  line = '';

  // The attempt that is under way.
  /** Id of its span; '': there is none. */
  attemptId = '';
  /** By performance.now. */
  attemptStartedAt = 0;
  /** Status that the backend answered with; 0: none so far. */
  status = 0;
  /** Why it failed, an ErrorCode; '': it did not so far. */
  failure = '';
  readonly #ids: TraceIds;
  readonly #flags: string;

  constructor(origin: TraceOrigin, spans: SpanBuffer, ids: TraceIds) {
    this.origin = origin;
    this.spans = spans;
    this.#ids = ids;
    this.spanId = ids.span();
    this.#flags = `-0${(origin.flags & RANDOM_FLAG) | (origin.sampled ? 1 : 0)}\r\n`;
    if (!origin.sampled) this.#name(this.spanId);
  }

  /** The client's trace goes on: what vendors say of it in `tracestate` goes on with it. */
  get continues(): boolean {
    return this.origin.parentId !== '';
  }

  /** Another attempt begins. */
  beginAttempt(): void {
    this.attemptId = this.#ids.span();
    this.attemptStartedAt = performance.now();
    this.status = 0;
    this.failure = '';
    this.#name(this.attemptId);
  }

  /** It has come to nothing before it began. */
  forgetAttempt(): void {
    this.attemptId = '';
  }

  #name(spanId: string): void {
    this.line = `traceparent: 00-${this.origin.traceId}-${spanId}${this.#flags}`;
  }
}
