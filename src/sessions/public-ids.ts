import { Key } from './key.ts';
import { format } from './public-id.ts';

/** Of this many sessions the text is kept: a power of 2. */
const KEPT = 4_096;

/** What a backend is told of a session. */
export interface PublicId {
  readonly key: Key;
  readonly id: string;
  /** End of a request head: CRLF of the line before, the line with the id, the empty line. */
  readonly tail: string;
}

/** Public ids of the sessions that this thread has had requests of, as text: making it costs more than a request's search for its session. */
export class PublicIds {
  readonly #kept = new Array<PublicId | null>(KEPT).fill(null);

  of(key: Key): PublicId {
    const place = key.a & (KEPT - 1);
    const kept = this.#kept[place]!;
    if (kept?.key.equals(key) === true) return kept;
    const other = this.#kept[place ^ 1]!;
    if (other?.key.equals(key) === true) return other;
    const own = new Key();
    own.copy(key);
    const id = format(key);
    // In one piece: the text is put together once for many requests.
    const tail = Buffer.from(`\r\nLimpet-Session: ${id}\r\n\r\n`, 'latin1').latin1Slice();
    const made = { key: own, id, tail };
    // Two whose places are the same, or side by side, both stay.
    this.#kept[kept === null ? place : place ^ 1] = made;
    return made;
  }
}
