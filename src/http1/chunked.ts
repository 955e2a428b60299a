/**
 * Incremental, strict decoder of the chunked coding (RFC 9112 section 7.1, behaviour 53).
 *
 * It says which ranges of the bytes it is fed may go on to the other side: with their framing (wire form) when that side
 * speaks chunked too, or the data alone. Framing is passed on only when it is plain; a size line with an extension or one
 * that came in two reads is written anew, so nothing that was not checked whole ever leaves.
 */
import { Parse } from './head.ts';

const CR = 13;
const LF = 10;
/** A size line with its extensions may be this long. */
const MAX_LINE = 4096;
/** 13 hex digits stay exact in a double. */
const MAX_DIGITS = 13;

const State = { size: 0, extension: 1, sizeLf: 2, data: 3, dataCr: 4, dataLf: 5, trailers: 6, done: 7 } as const;

const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16);
  HEX[digit.charCodeAt(0)] = i;
  HEX[digit.toUpperCase().charCodeAt(0)] = i;
}

export class ChunkedDecoder {
  /** Number of ranges found by the last `feed`; for each, `before[i]` is to be written first, then bytes[start[i], end[i]). */
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
  #maxTrailers = 16384;
  #state: number = State.size;
  #size = 0;
  #digits = 0;
  #lineLength = 0;
  #plain = true;
  #left = 0;

  /** @param wire true: ranges include the framing; false: data only. @param maxTrailers bytes */
  reset(wire: boolean, maxTrailers: number): void {
    this.#wire = wire;
    this.#maxTrailers = maxTrailers;
    this.#state = State.size;
    this.#size = 0;
    this.#digits = 0;
    this.#lineLength = 0;
    this.#plain = true;
    this.#left = 0;
    this.count = 0;
    this.trailers = '';
  }

  /** Takes bytes[from, to). Parse.more: all were taken; Parse.done: the message ends at `stop`; Parse.bad: see `problem`. */
  feed(bytes: Uint8Array, from: number, to: number): number {
    this.count = 0;
    let p = from;
    /** Start of the range that is growing, or -1. */
    let run = -1;
    /** Where the size line that is being read began, or -1 when it began in an earlier read. */
    let line = this.#state === State.size && this.#lineLength === 0 ? p : -1;
    while (p < to) {
      const byte = bytes[p]!;
      switch (this.#state) {
        case State.size: {
          if (this.#lineLength === 0) line = p;
          const digit = HEX[byte]!;
          if (digit >= 0) {
            if (++this.#digits > MAX_DIGITS) return this.#bad('chunk size is too large');
            this.#size = this.#size * 16 + digit;
            this.#lineLength++;
            p++;
            break;
          }
          if (this.#digits === 0) return this.#bad('chunk size is not hexadecimal');
          if (byte === CR) this.#state = State.sizeLf;
          else if (byte === 0x3b) {
            this.#plain = false;
            this.#state = State.extension;
          } else return this.#bad('chunk size is followed by something else than CRLF or an extension');
          this.#lineLength++;
          p++;
          break;
        }
        case State.extension:
          if (byte === CR) this.#state = State.sizeLf;
          else if ((byte < 0x20 && byte !== 9) || byte === 0x7f) return this.#bad('control byte in a chunk extension');
          if (++this.#lineLength > MAX_LINE) return this.#bad('chunk extension is too long');
          p++;
          break;
        case State.sizeLf: {
          if (byte !== LF) return this.#bad('chunk size line does not end in CRLF');
          p++;
          const size = this.#size;
          const plain = this.#plain && line >= 0 && (this.#digits === 1 || bytes[line] !== 0x30);
          if (size === 0) {
            if (run >= 0) this.#push('', run, line >= 0 ? line : from);
            run = -1;
            this.#state = State.trailers;
          } else {
            if (!this.#wire) run = this.#cut(run, -1, p);
            else if (plain) run = run < 0 ? line : run;
            else {
              if (run >= 0) this.#push('', run, line);
              run = this.#open(`${size.toString(16)}\r\n`, p);
            }
            this.#left = size;
            this.#state = State.data;
          }
          this.#size = 0;
          this.#digits = 0;
          this.#lineLength = 0;
          this.#plain = true;
          line = -1;
          break;
        }
        case State.data: {
          if (run < 0) run = p;
          const take = Math.min(this.#left, to - p);
          p += take;
          this.#left -= take;
          if (this.#left === 0) {
            if (!this.#wire) run = this.#cut(run, p, -1);
            this.#state = State.dataCr;
          }
          break;
        }
        case State.dataCr:
          if (byte !== CR) return this.#bad('chunk data is not followed by CRLF');
          if (this.#wire && run < 0) run = p;
          p++;
          this.#state = State.dataLf;
          break;
        case State.dataLf:
          if (byte !== LF) return this.#bad('chunk data is not followed by CRLF');
          if (this.#wire && run < 0) run = p;
          p++;
          this.#state = State.size;
          break;
        case State.trailers: {
          this.trailers += String.fromCharCode(byte);
          p++;
          const text = this.trailers;
          if (text.length > this.#maxTrailers) return this.#bad('trailer section is too long');
          if (byte === LF && (text === '\r\n' || text.endsWith('\r\n\r\n'))) {
            this.#state = State.done;
            this.stop = p;
            return Parse.done;
          }
          break;
        }
        default:
          return this.#bad('bytes behind the end of the message');
      }
    }
    if (run >= 0) {
      // A size line that is not complete stays here until it is.
      const partial = this.#state === State.size || this.#state === State.extension || this.#state === State.sizeLf;
      const end = partial && this.#lineLength > 0 && line >= 0 ? line : to;
      this.#push('', run, end);
    }
    return Parse.more;
  }

  #bad(problem: string): number {
    this.problem = problem;
    return Parse.bad;
  }

  /** Ends the range that is growing at `end` (when both are given) and starts the next one at `next`. */
  #cut(run: number, end: number, next: number): number {
    if (run >= 0 && end > run) this.#push('', run, end);
    return next;
  }

  #pendingBefore = '';

  #open(before: string, at: number): number {
    this.#pendingBefore = before;
    return at;
  }

  #push(before: string, start: number, end: number): void {
    const text = this.#pendingBefore + before;
    this.#pendingBefore = '';
    if (text === '' && end <= start) return;
    const i = this.count++;
    this.before[i] = text;
    this.start[i] = start;
    this.end[i] = end;
  }
}
