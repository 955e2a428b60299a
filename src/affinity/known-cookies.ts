import type { Key } from '../sessions/key.ts';
import { COOKIE_LENGTH } from './cookie-codec.ts';

/** A power of 2. 12 MB for each pool and worker, of which the system provides what is used. */
const PLACES = 131_072;
/** So many places side by side are those of a cookie. */
const WAYS = 4;
/** In 32-bit words: a place, its cookie's text, and where the key follows. */
const PLACE_WORDS = 24;
const TEXT_WORDS = COOKIE_LENGTH / 4;
const GOLDEN = 0x9e3779b1;

const encoder = new TextEncoder();

/**
 * Cookies whose signature was found good, with their keys: verifying one takes longer than all the rest of a request's search for its session. They lie in one
 * piece of memory, because as objects each that takes another one's place is work for the garbage collector: with more sessions than places it stopped the
 * thread for 8 ms several times a second.
 */
export class KnownCookies {
  readonly #mask: number;
  readonly #shift: number;
  /** Made for the first cookie: a pool that has none takes no memory. */
  #words = new Int32Array(0);
  #pushedOut = 0;
  /** The text that was looked at last, as bytes. One beyond U+007F has two of them, so it is like none that is known. */
  readonly bytes = Buffer.alloc(COOKIE_LENGTH + 4);
  readonly #looked = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, TEXT_WORDS + 1);

  /** @param places a power of 2, 4 or more */
  constructor(places = PLACES) {
    this.#mask = places - 1;
    this.#shift = 32 - Math.log2(places);
  }

  /** Whether a text of COOKIE_LENGTH characters is known: `key` is its key then, and as it was otherwise. HOT */
  find(text: string, key: Key): boolean {
    encoder.encodeInto(text, this.bytes);
    const words = this.#words;
    // What an empty place holds is no cookie.
    if (words.length === 0 || this.#looked[0] === 0) return false;
    const first = this.#first();
    for (let way = 0; way < WAYS; way++) {
      const at = (first ^ way) * PLACE_WORDS;
      if (!this.#isAt(at)) continue;
      key.set(
        words[at + TEXT_WORDS]!,
        words[at + TEXT_WORDS + 1]!,
        words[at + TEXT_WORDS + 2]!,
        words[at + TEXT_WORDS + 3]!,
      );
      return true;
    }
    return false;
  }

  /** Remembers the text that was looked at last, whose signature is good. */
  remember(key: Key): void {
    if (this.#words.length === 0) this.#words = new Int32Array((this.#mask + 1) * PLACE_WORDS);
    const words = this.#words;
    const first = this.#first();
    let way = 0;
    while (way < WAYS && words[(first ^ way) * PLACE_WORDS] !== 0) way++;
    if (way === WAYS) way = this.#pushedOut++ & (WAYS - 1);
    const at = (first ^ way) * PLACE_WORDS;
    words.set(this.#looked.subarray(0, TEXT_WORDS), at);
    words[at + TEXT_WORDS] = key.a;
    words[at + TEXT_WORDS + 1] = key.b;
    words[at + TEXT_WORDS + 2] = key.c;
    words[at + TEXT_WORDS + 3] = key.d;
  }

  /** The first place of what was looked at last, by its first eight characters, which are random in each that is known. */
  #first(): number {
    const looked = this.#looked;
    return (Math.imul(looked[0]! ^ Math.imul(looked[1]!, GOLDEN), GOLDEN) >>> this.#shift) & this.#mask;
  }

  #isAt(at: number): boolean {
    const words = this.#words;
    const looked = this.#looked;
    let n = 0;
    while (n < TEXT_WORDS && words[at + n] === looked[n]) n++;
    return n === TEXT_WORDS;
  }
}
