import type { Exchange } from '../exchange/exchange.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { RatioSampler } from '../tracing/ratio-sampler.ts';
import { RequestTrace } from '../tracing/request-trace.ts';
import type { SpanBuffer } from '../tracing/span-buffer.ts';
import type { TraceIds } from '../tracing/trace-ids.ts';
import { parseTraceparent, type Traceparent } from '../tracing/traceparent.ts';

const SAMPLED_FLAG = 1;

/** Gives requests their place in a trace, where `tracing.otlp` is set. */
export class RequestTracing {
  readonly #sampler: RatioSampler;
  readonly #spans: SpanBuffer;
  readonly #ids: TraceIds;

  /** @param sample share of the traces that is sampled, 0 to 1 */
  constructor(sample: number, spans: SpanBuffer, ids: TraceIds) {
    this.#sampler = new RatioSampler(sample);
    this.#spans = spans;
    this.#ids = ids;
  }

  /**
   * A request has come: it goes on with the client's trace, or begins one. A trusted proxy has decided whether it is
   * sampled.
   */
  begin(x: Exchange, head: Head): void {
    const parent = parentOf(head);
    const traceId = parent?.traceId ?? this.#ids.trace();
    const sampled =
      parent !== null && x.client.trusted ? (parent.flags & SAMPLED_FLAG) !== 0 : this.#sampler.samples(traceId);
    const origin = {
      traceId,
      parentId: parent?.parentId ?? '',
      flags: parent?.flags ?? 0,
      state: sampled && parent !== null ? valuesOf(head, HeaderId.tracestate) : '',
      sampled,
      userAgent: sampled ? valuesOf(head, HeaderId.userAgent) : '',
      epoch: sampled ? Date.now() - x.startedAt : 0,
    };
    x.trace = new RequestTrace(origin, this.#spans, this.#ids);
  }
}

/** Two lines are as good as none (W3C Trace Context, section 3.2.1: a single value). */
function parentOf(head: Head): Traceparent | null {
  const line = head.findId(HeaderId.traceparent);
  if (line < 0 || head.findId(HeaderId.traceparent, line + 1) >= 0) return null;
  return parseTraceparent(head.value(line));
}

function valuesOf(head: Head, id: number): string {
  let values = '';
  for (let line = head.findId(id); line >= 0; line = head.findId(id, line + 1))
    values += values === '' ? head.value(line) : `,${head.value(line)}`;
  return values;
}
