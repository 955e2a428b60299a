import type { Key } from '../keys/key.ts';
import { COOKIE_LENGTH } from './cookie-codec.ts';

/** At the most, a power of 2: 12 MB for each pool and worker. */
const PLACES = 131_072;
/**
 * At first. When half of them are taken, or all that a cookie may have, there come to be GROWTH times as many: each
 * reload begins anew, and most pools never need more.
 */
const FIRST_PLACES = 1_024;
const GROWTH = 4;
/** So many places side by side are those of a cookie. */
const WAYS = 4;
/** In 32-bit words: a place, its cookie's text, and where the key follows. */
const PLACE_WORDS = 24;
const TEXT_WORDS = COOKIE_LENGTH / 4;
const GOLDEN = 0x9e3779b1;

const encoder = new TextEncoder();

/**
 * Cookies whose signature was found good, with their keys: verifying one takes longer than all the rest of a request's
 * search for its session. They lie in one piece of memory, because as objects each that takes another one's place is
 * work for the garbage collector: with more sessions than places it stopped the thread for 8 ms several times a second.
 */
export class KnownCookies {
  readonly #most: number;
  #places = 0;
  #shift = 32;
  #words = new Int32Array(0);
  #taken = 0;
  #pushedOut = 0;
  /**
   * The text that was looked at last, as bytes. One beyond U+007F has two of them, so it is like none that is known.
   */
  readonly bytes = Buffer.alloc(COOKIE_LENGTH + 4);
  readonly #looked = new Int32Array(this.bytes.buffer, this.bytes.byteOffset, TEXT_WORDS + 1);

  /** @param most how many are remembered: a power of 2, 4 or more */
  constructor(most = PLACES) {
    this.#most = most;
  }

  /** Whether a text of COOKIE_LENGTH characters is known: `key` is its key then, and as it was otherwise. HOT */
  find(text: string, key: Key): boolean {
    encoder.encodeInto(text, this.bytes);
    const words = this.#words;
    // What an empty place holds is no cookie.
    if (words.length === 0 || this.#looked[0] === 0) return false;
    const first = this.#first(this.#looked, 0);
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
    const isTight = this.#taken * 2 >= this.#places || this.#freeWay(this.#first(this.#looked, 0)) === WAYS;
    if (isTight && this.#places < this.#most) this.#grow();
    const at = this.#put(this.#looked, 0);
    const words = this.#words;
    words[at + TEXT_WORDS] = key.a;
    words[at + TEXT_WORDS + 1] = key.b;
    words[at + TEXT_WORDS + 2] = key.c;
    words[at + TEXT_WORDS + 3] = key.d;
  }

  /** Knows none any more, and takes no memory. */
  clear(): void {
    this.#places = 0;
    this.#shift = 32;
    this.#words = new Int32Array(0);
    this.#taken = 0;
  }

  #grow(): void {
    const before = this.#words;
    this.#places = Math.min(this.#most, this.#places === 0 ? FIRST_PLACES : this.#places * GROWTH);
    this.#shift = 32 - Math.log2(this.#places);
    this.#words = new Int32Array(this.#places * PLACE_WORDS);
    this.#taken = 0;
    for (let from = 0; from < before.length; from += PLACE_WORDS) {
      if (before[from] === 0) continue;
      const at = this.#put(before, from);
      this.#words.set(before.subarray(from + TEXT_WORDS, from + TEXT_WORDS + 4), at + TEXT_WORDS);
    }
  }

  /**
   * Puts a text, words[from, from + TEXT_WORDS), into one of its places, a free one if there is one. @returns where
   * that begins
   */
  #put(text: Int32Array, from: number): number {
    const words = this.#words;
    const first = this.#first(text, from);
    let way = this.#freeWay(first);
    if (way === WAYS) way = this.#pushedOut++ & (WAYS - 1);
    else this.#taken++;
    const at = (first ^ way) * PLACE_WORDS;
    words.set(text.subarray(from, from + TEXT_WORDS), at);
    return at;
  }

  /** WAYS: none of the places is free. */
  #freeWay(first: number): number {
    let way = 0;
    while (way < WAYS && this.#words[(first ^ way) * PLACE_WORDS] !== 0) way++;
    return way;
  }

  /** The first place of a text, by its first eight characters, which are random in each that is known. */
  #first(text: Int32Array, from: number): number {
    return Math.imul(text[from]! ^ Math.imul(text[from + 1]!, GOLDEN), GOLDEN) >>> this.#shift;
  }

  #isAt(at: number): boolean {
    const words = this.#words;
    const looked = this.#looked;
    let n = 0;
    while (n < TEXT_WORDS && words[at + n] === looked[n]) n++;
    return n === TEXT_WORDS;
  }
}
