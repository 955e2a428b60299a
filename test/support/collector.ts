import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { LoopbackServer } from './loopback-server.ts';

/** A span as a collector gets it, its attributes by name. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** 2: server, 3: client. */
  readonly kind: number;
  readonly start: bigint;
  readonly end: bigint;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly resource: Readonly<Record<string, string | number>>;
}

interface KeyValue {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}
interface ExportRequest {
  readonly resourceSpans: {
    readonly resource: { readonly attributes: KeyValue[] };
    readonly scopeSpans: {
      readonly spans: (Omit<CollectedSpan, 'start' | 'end' | 'failed' | 'attributes' | 'resource'> & {
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly status: { readonly code?: number };
        readonly attributes: KeyValue[];
      })[];
    }[];
  }[];
}

/** An OTLP/HTTP collector in this process: takes spans in JSON, and answers as a test says. */
export class Collector extends LoopbackServer {
  /** Spans of the exports that it has answered with 200. */
  readonly spans: CollectedSpan[] = [];
  /** Every export, also those that it refused. */
  readonly exports: {
    readonly at: number;
    readonly path: string;
    readonly headers: IncomingHttpHeaders;
    readonly body: string;
  }[] = [];
  /** Answers an export; true: it is taken. */
  answer: (response: ServerResponse) => boolean = takeAll;

  protected override serve(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      this.exports.push({ at: performance.now(), path: request.url ?? '', headers: request.headers, body });
      if (this.answer(response)) this.spans.push(...spansOf(JSON.parse(body) as ExportRequest));
    });
  }

  /** The spans of one trace. */
  trace(traceId: string): CollectedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }
}

/** Takes every export. */
export function takeAll(response: ServerResponse): true {
  response.setHeader('content-type', 'application/json').end('{}');
  return true;
}

/** Answers with this status, and with `Retry-After` where it is given. */
export function refuseWith(status: number, retryAfter?: string): (response: ServerResponse) => false {
  return (response) => {
    if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter);
    response.writeHead(status).end();
    return false;
  };
}

function spansOf({ resourceSpans }: ExportRequest): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(({ startTimeUnixNano, endTimeUnixNano, status, attributes, ...span }) => ({
        ...span,
        start: BigInt(startTimeUnixNano),
        end: BigInt(endTimeUnixNano),
        failed: status.code === 2,
        attributes: byName(attributes),
        resource: byName(resource.attributes),
      })),
    ),
  );
}

function byName(attributes: readonly KeyValue[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue } }) => [key, stringValue ?? Number(intValue)]),
  );
}
