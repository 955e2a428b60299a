/** `Span.SpanKind` of OTLP. */
export const SpanKind = { server: 2, client: 3 } as const;

/** The value of an attribute; numbers are whole. */
export type AttributeValue = string | number;

/** A span that has ended. */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** '': it has no parent. */
  readonly parentId: string;
  /** The parent is in another process. */
  readonly remote: boolean;
  /** Value of `tracestate`; '': none. */
  readonly state: string;
  readonly name: string;
  /** A value of SpanKind. */
  readonly kind: number;
  /** ms since epoch, with fractions. */
  readonly start: number;
  readonly end: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Characters of a text: what clients send may be longer. */
const LONGEST_TEXT = 1_024;
/** `SpanFlags`: sampled, and whether the parent is remote is known, and so. */
const SAMPLED = 1;
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
const STATUS_ERROR = 2;

/**
 * A span in the JSON encoding of OTLP 1 (opentelemetry.proto.trace.v1.Span): ids as hexadecimal digits, 64-bit numbers
 * as text.
 */
export function spanJson(span: Span): string {
  return JSON.stringify({
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.state === '' ? {} : { traceState: span.state }),
    ...(span.parentId === '' ? {} : { parentSpanId: span.parentId }),
    flags: SAMPLED | HAS_IS_REMOTE | (span.remote ? IS_REMOTE : 0),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanoseconds(span.start),
    endTimeUnixNano: nanoseconds(Math.max(span.start, span.end)),
    attributes: attributesOf(span.attributes),
    status: span.failed ? { code: STATUS_ERROR } : {},
  });
}

/** `KeyValue`s of OTLP. */
export function attributesOf(attributes: Readonly<Record<string, AttributeValue>>): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value.slice(0, LONGEST_TEXT) },
  }));
}

/** A number cannot hold today's nanoseconds exactly; microseconds it can. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}
