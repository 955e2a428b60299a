/**
 * Incremental, strict decoder of the chunked coding (RFC 9112 section 7.1, behaviour 53).
 *
 * It says which ranges of the bytes it is fed may go on to the other side: with their framing (wire form) when that
 * side speaks chunked too, or the data alone. Framing is passed on only when it is plain; a size line with an extension
 * or white space, or one that came in two reads, is written anew, so nothing that was not checked whole ever leaves.
 */

import { characterClass } from './character-classes.ts';
import { ChunkExtension, nextInExtension } from './chunk-extension.ts';
import { Parse } from './parse.ts';

const CR = 13;
const LF = 10;
const ZERO = 0x30;
const SEMICOLON = 0x3b;
const SP = 32;
const HTAB = 9;
/** 13 hex digits stay exact in a double. */
const MAX_DIGITS = 13;
/**
 * Bytes of all extensions and white space of one message: nobody uses them for anything but to make a reader work for
 * nothing.
 */
const MAX_EXTENSIONS = 16_384;

const State = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailers: 6,
  done: 7,
  space: 8,
} as const;

const HEX = characterClass.hex();

export class ChunkedDecoder {
  /**
   * Number of ranges found by the last `feed`; for each, `before[i]` is to be written first, then bytes[start[i],
   * end[i]).
   */
  count = 0;
  readonly before: string[] = [];
  readonly start: number[] = [];
  readonly end: number[] = [];
  /** Set when the message has ended: offset of the first byte behind it. */
  stop = 0;
  /** The trailer section with its empty line; `\r\n` when there are no trailers. */
  trailers = '';
  problem = '';

  #wire = true;
  #padded = false;
  #maxTrailers = 16384;
  #state: number = State.size;
  /**
   * Of the size line that is being read: what its digits say, how many they are, and whether it is nothing but digits.
   */
  #size = 0;
  #digits = 0;
  #plain = true;
  /** The white space behind the size is nothing but spaces. */
  #spaces = true;
  #extension: number = ChunkExtension.name;
  #extensionBytes = 0;
  /** Bytes of data still to come. */
  #left = 0;
  /** Bytes of the trailer line that is being read, and whether the last one was CR. */
  #lineLength = 0;
  #afterCr = false;

  /**
   * @param wire true: ranges include the framing; false: data only
   * @param maxTrailers bytes
   * @param padded sizes may have spaces behind them, as those of old and small servers have; of requests they may not
   */
  reset(wire: boolean, maxTrailers: number, padded = false): void {
    this.#wire = wire;
    this.#padded = padded;
    this.#maxTrailers = maxTrailers;
    this.#startLine();
    this.#extensionBytes = 0;
    this.#lineLength = 0;
    this.#afterCr = false;
    this.count = 0;
    this.trailers = '';
  }

  #startLine(): void {
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#plain = true;
    this.#spaces = true;
  }

  get #isBehindData(): boolean {
    return this.#state === State.dataCr || this.#state === State.dataLf;
  }

  /**
   * Takes bytes[from, to). Parse.more: all were taken; Parse.done: the message ends at `stop`; Parse.bad: see
   * `problem`.
   */
  feed(bytes: Buffer, from: number, to: number): number {
    this.count = 0;
    const wire = this.#wire;
    let p = from;
    /** Where the size line that is being read began; -1: in an earlier read, or there is none. */
    let line = this.#state === State.size && this.#digits === 0 ? p : -1;
    /** Start of what goes on as it is, up to where the reader stands; -1: nothing does. */
    let run = this.#state === State.data || (wire && (line >= 0 || this.#isBehindData)) ? p : -1;
    /** Written before the range at `run`: a size line that cannot go on as it is. */
    let before = '';
    while (p < to) {
      const byte = bytes[p]!;
      switch (this.#state) {
        case State.size: {
          const digit = HEX[byte]!;
          if (digit >= 0) {
            if (++this.#digits > MAX_DIGITS) return this.#bad('chunk size is too large');
            this.#size = this.#size * 16 + digit;
          } else if (this.#digits === 0) return this.#bad('chunk size is not hexadecimal');
          else if (byte === CR) this.#state = State.sizeLf;
          else if (byte === SEMICOLON) {
            this.#plain = false;
            this.#extension = ChunkExtension.name;
            this.#state = State.extension;
          } else if (byte === SP || byte === HTAB) {
            this.#plain = false;
            this.#spaces = byte === SP;
            this.#state = State.space;
          } else return this.#bad('chunk size is followed by something else than CRLF or an extension');
          p++;
          break;
        }
        case State.space:
          if (++this.#extensionBytes > MAX_EXTENSIONS) return this.#bad('chunk extensions are too long');
          if (byte === SEMICOLON) {
            this.#extension = ChunkExtension.name;
            this.#state = State.extension;
          } else if (byte === CR && this.#padded && this.#spaces) this.#state = State.sizeLf;
          else if (byte === HTAB) this.#spaces = false;
          else if (byte !== SP) return this.#bad('chunk size is followed by white space');
          p++;
          break;
        case State.extension:
          this.#extension = nextInExtension(this.#extension, byte);
          if (this.#extension === ChunkExtension.bad) return this.#bad('malformed chunk extension');
          if (++this.#extensionBytes > MAX_EXTENSIONS) return this.#bad('chunk extensions are too long');
          if (this.#extension === ChunkExtension.end) this.#state = State.sizeLf;
          p++;
          break;
        case State.sizeLf:
          if (byte !== LF) return this.#bad('chunk size line does not end in CRLF');
          p++;
          if (this.#size === 0) {
            if (run >= 0) this.#push(before, run, line);
            run = -1;
            before = '';
            this.#state = State.trailers;
            break;
          }
          if (!wire) run = p;
          else if (!this.#plain || line < 0 || (bytes[line] === ZERO && this.#digits > 1)) {
            if (run >= 0) this.#push(before, run, line);
            before = `${this.#size.toString(16)}\r\n`;
            run = p;
          }
          this.#left = this.#size;
          this.#state = State.data;
          line = -1;
          break;
        case State.data: {
          const take = Math.min(this.#left, to - p);
          p += take;
          this.#left -= take;
          if (this.#left > 0) break;
          if (!wire) {
            this.#push('', run, p);
            run = -1;
          }
          this.#state = State.dataCr;
          break;
        }
        case State.dataCr:
          if (byte !== CR) return this.#bad('chunk data is not followed by CRLF');
          p++;
          this.#state = State.dataLf;
          break;
        case State.dataLf:
          if (byte !== LF) return this.#bad('chunk data is not followed by CRLF');
          p++;
          this.#startLine();
          line = p;
          break;
        case State.trailers:
          return this.#readTrailers(bytes, p, to);
        default:
          return this.#bad('bytes behind the end of the message');
      }
    }
    // A size line that is not complete stays here until it is.
    if (run >= 0) this.#push(before, run, line >= 0 ? line : to);
    return Parse.more;
  }

  /** The trailer section is kept as it comes; only its end is looked for here (see FieldBlock.parseTrailers). */
  #readTrailers(bytes: Buffer, from: number, to: number): number {
    let p = from;
    while (p < to && this.#state !== State.done) {
      const byte = bytes[p++]!;
      if (byte === LF) {
        if (!this.#afterCr) return this.#bad('bare LF in the trailer section');
        if (this.#lineLength === 1) this.#state = State.done;
        this.#lineLength = 0;
        this.#afterCr = false;
      } else {
        if (this.#afterCr) return this.#bad('bare CR in the trailer section');
        this.#afterCr = byte === CR;
        this.#lineLength++;
      }
    }
    if (this.trailers.length + p - from > this.#maxTrailers) return this.#bad('trailer section is too long');
    this.trailers += bytes.latin1Slice(from, p);
    if (this.#state !== State.done) return Parse.more;
    this.stop = p;
    return Parse.done;
  }

  #bad(problem: string): number {
    this.problem = problem;
    return Parse.bad;
  }

  #push(before: string, start: number, end: number): void {
    if (before === '' && end <= start) return;
    const i = this.count++;
    this.before[i] = before;
    this.start[i] = start;
    this.end[i] = end;
  }
}
