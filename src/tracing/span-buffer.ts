/** Spans of a batch; a worker that is not drained drops those beyond it. */
const LONGEST_BATCH = 10_000;

/** Spans on their way from a worker to the supervisor. */
export interface SpanBatch {
  /** Each a Span of OTLP as JSON. */
  readonly spans: readonly string[];
  /** Spans that were dropped. */
  readonly lost: number;
}

/** The spans of a worker that have ended: they gather here and travel to the supervisor with the worker's batch. */
export class SpanBuffer {
  readonly #longest: number;
  #spans: string[] = [];
  #lost = 0;

  constructor(longest = LONGEST_BATCH) {
    this.#longest = longest;
  }

  /** @param span see `spanJson` */
  add(span: string): void {
    if (this.#spans.length >= this.#longest) this.#lost++;
    else this.#spans.push(span);
  }

  /** The spans since the last call; null: there are none. */
  drain(): SpanBatch | null {
    if (this.#spans.length === 0 && this.#lost === 0) return null;
    const batch = { spans: this.#spans, lost: this.#lost };
    this.#spans = [];
    this.#lost = 0;
    return batch;
  }
}
