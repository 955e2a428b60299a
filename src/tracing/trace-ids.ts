import { randomFillSync } from 'node:crypto';

const POOL_BYTES = 8_192;
const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;

/** Makes ids of traces and spans: random hexadecimal digits, cut from a text that is made for many at once. */
export class TraceIds {
  readonly #fill: (bytes: Buffer) => void;
  readonly #bytes = Buffer.alloc(POOL_BYTES);
  #digits = '';
  #at = 0;

  /** @param fill fills its argument with random bytes */
  constructor(fill: (bytes: Buffer) => void = (bytes) => void randomFillSync(bytes)) {
    this.#fill = fill;
  }

  /** 32 digits, not all zero. */
  trace(): string {
    return this.#take(TRACE_DIGITS);
  }

  /** 16 digits, not all zero. */
  span(): string {
    return this.#take(SPAN_DIGITS);
  }

  #take(count: number): string {
    for (;;) {
      if (this.#at + count > this.#digits.length) {
        this.#fill(this.#bytes);
        this.#digits = this.#bytes.toString('hex');
        this.#at = 0;
      }
      const id = this.#digits.slice(this.#at, this.#at + count);
      this.#at += count;
      // Zeros alone are no id (W3C Trace Context, sections 3.2.2.3 and 3.2.2.4).
      if (!ZEROS.startsWith(id)) return id;
    }
  }
}

const ZEROS = '0'.repeat(TRACE_DIGITS);
