import type { Agent } from 'undici';
import { Deadline } from '../timing/deadline.ts';

/** What became of an export (OTLP specification, "OTLP/HTTP Response" and "Failures"). */
export type Posted =
  /** Taken, but for so many spans. */
  | { readonly kind: 'taken'; readonly rejected: number; readonly why: string }
  /** Not taken now: again later, `afterMs` at the earliest when the collector says it. */
  | { readonly kind: 'later'; readonly afterMs: number; readonly why: string }
  /** Not taken, and not worth another try. */
  | { readonly kind: 'refused'; readonly why: string };

/** Statuses that are worth another try. */
const LATER = new Set([429, 502, 503, 504]);
/** Characters of an answer that are read, and of a message of the collector's that is shown. */
const LONGEST_ANSWER = 65_536;
const LONGEST_MESSAGE = 200;
const DEAF_MS = 10_000;

/** Posts spans to one OTLP/HTTP endpoint over a connection that is kept. */
export class OtlpPost {
  readonly #url: string;
  readonly #userAgent: string;
  /** Null: nothing has been posted. */
  #agent: Agent | null = null;
  #closed = false;

  /** @param url with its path */
  constructor(url: string, version: string) {
    this.#url = url;
    this.#userAgent = `OTel-OTLP-Exporter-limpet/${version}`;
  }

  /** Never rejects. @param body an ExportTraceServiceRequest as JSON */
  async send(body: string, signal: AbortSignal): Promise<Posted> {
    const late = new AbortController();
    const deadline = new Deadline(DEAF_MS, () => late.abort(new Error(`no answer within ${DEAF_MS} ms`)));
    try {
      // Only where spans are sent: it takes a third of the time of a start.
      const { Agent, request } = await import('undici');
      if (this.#closed) throw new Error('closed');
      this.#agent ??= new Agent({ connections: 1, pipelining: 1, connect: { timeout: DEAF_MS } });
      const answer = await request(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': this.#userAgent },
        body,
        dispatcher: this.#agent,
        signal: AbortSignal.any([signal, late.signal]),
      });
      let text = '';
      for await (const chunk of answer.body.setEncoding('utf8')) {
        text += chunk as string;
        if (text.length > LONGEST_ANSWER) break;
      }
      const { statusCode: status, headers } = answer;
      if (status >= 200 && status < 300) return taken(text);
      const why = `it answered ${status}`;
      if (!LATER.has(status)) return { kind: 'refused', why };
      return { kind: 'later', afterMs: retryAfter(headers['retry-after'], Date.now()), why };
    } catch (error) {
      const { message, code } = error as NodeJS.ErrnoException;
      return { kind: 'later', afterMs: 0, why: message === '' ? String(code) : message };
    } finally {
      deadline.cancel();
    }
  }

  close(): void {
    this.#closed = true;
    void this.#agent?.destroy();
  }
}

/** `partialSuccess` of an ExportTraceServiceResponse; a 64-bit number is a text in JSON. */
function taken(text: string): Posted {
  let rejected = 0;
  let why = '';
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: string | number; errorMessage?: string } | null;
    };
    const count = Number(partialSuccess?.rejectedSpans ?? 0);
    if (count > 0) rejected = count;
    why = String(partialSuccess?.errorMessage ?? '').slice(0, LONGEST_MESSAGE);
  } catch {
    // It was taken, whatever else is said.
  }
  return { kind: 'taken', rejected, why };
}

/** Milliseconds of `Retry-After`: seconds or a date (RFC 9110, section 10.2.3); 0: it does not say. */
function retryAfter(value: string | string[] | undefined, now: number): number {
  if (typeof value !== 'string') return 0;
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1_000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
