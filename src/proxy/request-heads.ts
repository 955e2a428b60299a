import type { Exchange } from '../exchange/exchange.ts';
import { Head, Parse } from '../http1/head.ts';

/** No head that was accepted has so many fields. */
const MOST_FIELDS = 100_000;

/**
 * Scratch that request heads are parsed into: one object for each limit on the number of fields, used again and again.
 */
export class RequestHeads {
  /** The head that was parsed last; valid until the next one is. */
  latest = new Head();
  readonly #byFields = new Map<number, Head>();
  #last: { fields: number; head: Head } | null = null;

  /** Scratch for a head with at most so many fields, which becomes `latest`. */
  of(fields: number): Head {
    if (this.#last?.fields !== fields) {
      const head = this.#byFields.get(fields) ?? new Head(fields, true);
      this.#byFields.set(fields, head);
      this.#last = { fields, head };
    }
    this.latest = this.#last.head;
    return this.latest;
  }

  /** The head of this request; valid until another one is parsed. */
  head(x: Exchange): Head {
    return this.latest.text === x.text ? this.latest : this.again(x);
  }

  /** Parses the head of a request again, for what happens after its first attempt. */
  again(x: Exchange): Head {
    const bytes = Buffer.from(x.text, 'latin1');
    const head = this.of(MOST_FIELDS);
    if (head.parseRequest(bytes, 0, bytes.length) !== Parse.done)
      throw new Error('a request head that was accepted is refused');
    return head;
  }
}
