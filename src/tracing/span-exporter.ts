import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { parseOtlpUrl } from '../config/otlp-url.ts';
import type { Logger } from '../logging/logger.ts';
import type { LabelledTotals } from '../metrics/labelled-totals.ts';
import { Deadline } from '../timing/deadline.ts';
import { OtlpPost, type Posted } from './otlp-post.ts';
import type { SpanBatch } from './span-buffer.ts';
import { attributesOf } from './span-json.ts';

/** Times in ms and amounts; tests have their own. */
export interface ExportLimits {
  /** From the first span that waits to an export, and the spans that do not wait for it. */
  readonly delay: number;
  readonly batch: number;
  /** Spans that wait, and their characters. */
  readonly spans: number;
  readonly characters: number;
  /** Between two tries of an export: about this long at first, twice as long each time. */
  readonly firstPause: number;
  readonly longestPause: number;
  readonly tries: number;
  /** The longest that a collector is obeyed that asks for a pause. */
  readonly longestWait: number;
}

const LIMITS: ExportLimits = {
  delay: 1_000,
  batch: 512,
  spans: 20_000,
  characters: 32 * 2 ** 20,
  firstPause: 1_000,
  longestPause: 30_000,
  tries: 6,
  longestWait: 120_000,
};
/** Between two log lines about spans that were dropped. */
const QUIET_MS = 60_000;

interface SpanExporterParts {
  readonly version: string;
  readonly labelled: LabelledTotals;
  readonly log: Logger;
}

/**
 * Sends the spans of all workers to the collector, in the supervisor: OTLP/HTTP in its JSON encoding, one export at a
 * time. What it does not take in time is dropped and counted; nothing waits for it.
 */
export class SpanExporter {
  readonly #parts: SpanExporterParts;
  readonly #limits: ExportLimits;
  /** An ExportTraceServiceRequest is this, spans with commas between them, and END. */
  readonly #begin: string;
  #url: string | null = null;
  #post: OtlpPost | null = null;
  #queue: string[] = [];
  #characters = 0;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #stopping = false;
  /** Ends the pause that an export makes. */
  #goOn: () => void = () => {};
  readonly #deadline = new AbortController();
  #failing = false;
  #dropped = 0;
  #quietUntil = 0;

  constructor(parts: SpanExporterParts, limits: Partial<ExportLimits> = {}) {
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...limits };
    const resource = {
      attributes: attributesOf({
        'service.name': 'limpet',
        'service.version': parts.version,
        'host.name': hostname(),
        'service.instance.id': randomUUID(),
      }),
    };
    const scope = JSON.stringify({ name: 'limpet', version: parts.version });
    this.#begin = `{"resourceSpans":[{"resource":${JSON.stringify(resource)},"scopeSpans":[{"scope":${scope},"spans":[`;
  }

  /** Spans go there from the next export on. @param otlp as configured; null: they are dropped */
  change(otlp: string | null): void {
    const address = otlp === null ? null : parseOtlpUrl(otlp);
    const url = address !== null && 'url' in address ? address.url : null;
    if (url === this.#url) return;
    this.#url = url;
    this.#failing = false;
    const before = this.#post;
    this.#post = url === null ? null : new OtlpPost(url, this.#parts.version);
    // What is on its way there has its time to arrive.
    if (before !== null) void Promise.resolve(this.#running).then(() => before.close());
  }

  /** Takes what a worker has gathered. */
  take({ spans, lost }: SpanBatch): void {
    const { spans: most, characters } = this.#limits;
    let dropped = lost;
    for (const span of spans) {
      if (this.#queue.length >= most || this.#characters + span.length > characters) {
        dropped++;
      } else {
        this.#queue.push(span);
        this.#characters += span.length;
      }
    }
    if (dropped > 0) this.#drop(dropped, 'more than can be sent');
    this.#wake();
  }

  /** Sends what is there, for `ms` at most, and ends. What is left is dropped and counted. */
  async stop(ms: number): Promise<void> {
    this.#stopping = true;
    this.#goOn();
    const deadline = new Deadline(ms, () => this.#deadline.abort());
    while (this.#running !== null || this.#queue.length > 0) {
      if (this.#running === null) this.#run();
      await this.#running;
    }
    deadline.cancel();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#post?.close();
  }

  #wake(): void {
    if (this.#running !== null || this.#stopping || this.#queue.length === 0) return;
    if (this.#queue.length >= this.#limits.batch) return this.#run();
    this.#timer ??= setTimeout(() => this.#run(), this.#limits.delay).unref();
  }

  #run(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#running !== null) return;
    this.#running = this.#exportAll().then(
      () => {
        this.#running = null;
        this.#wake();
      },
      (error: unknown) => {
        this.#running = null;
        this.#parts.log.error({ err: error }, 'defect in the export of spans: please report it with this line');
      },
    );
  }

  async #exportAll(): Promise<void> {
    // Those that are fewer wait for others.
    for (let first = true; this.#queue.length > 0; first = false) {
      if (!first && !this.#stopping && this.#queue.length < this.#limits.batch) return;
      const spans = this.#queue.splice(0, this.#limits.batch);
      for (const span of spans) this.#characters -= span.length;
      await this.#export(spans);
    }
  }

  async #export(spans: readonly string[]): Promise<void> {
    const { firstPause, longestPause, longestWait, tries } = this.#limits;
    const body = `${this.#begin}${spans.join(',')}${END}`;
    for (let tried = 1; ; tried++) {
      const post = this.#post;
      if (post === null) return this.#drop(spans.length, 'tracing was switched off');
      if (this.#deadline.signal.aborted) return this.#drop(spans.length, 'limpet stops');
      // A pause that the stop cuts short ends in one more try.
      const last = this.#stopping || tried === tries;
      const posted: Posted = await post.send(body, this.#deadline.signal);
      if (posted.kind === 'taken') return this.#taken(posted.rejected, posted.why);
      if (posted.kind === 'refused' || last) return this.#drop(spans.length, posted.why);
      if (!this.#failing)
        this.#parts.log.warn({ endpoint: this.#url, why: posted.why }, 'spans are not taken: they wait');
      this.#failing = true;
      const pause = Math.min(firstPause * 2 ** (tried - 1), longestPause);
      await this.#pause(Math.max(Math.min(posted.afterMs, longestWait), pause * (0.5 + Math.random())));
    }
  }

  #taken(rejected: number, why: string): void {
    if (this.#failing) this.#parts.log.info({ endpoint: this.#url }, 'spans are taken again');
    this.#failing = false;
    if (rejected > 0) this.#drop(rejected, why === '' ? 'the collector rejected them' : why);
  }

  /** Until then, or until the stop begins. */
  #pause(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#goOn = resolve;
    return promise.finally(() => clearTimeout(timer));
  }

  #drop(count: number, why: string): void {
    this.#parts.labelled.add([{ name: 'limpet_spans_dropped_total', labels: [], count }]);
    this.#dropped += count;
    const now = Date.now();
    if (now < this.#quietUntil && !this.#stopping) return;
    this.#quietUntil = now + QUIET_MS;
    this.#parts.log.warn({ endpoint: this.#url, spans: this.#dropped, why }, 'spans were dropped');
    this.#dropped = 0;
  }
}

const END = ']}]}]}';
