import { characterClass } from './character-classes.ts';
import { connectionTokens } from './connection-tokens.ts';
import { HeaderId, hashStep, headerId } from './header-id.ts';
import { isHost } from './host.ts';
import { OrdinaryLines } from './ordinary-lines.ts';
import { Parse } from './parse.ts';

/** Int32 entries for each field line: name start, name end, value start, value end, name hash, id. */
const STRIDE = 6;

const TOKEN = characterClass.token();
/** Lower case with `_` counted as `-`, for the hash; 0 for what is no token character. */
const HASHED = TOKEN.slice();
HASHED[0x5f] = 0x2d;
const VALUE = characterClass.fieldValue();

const NONE = Buffer.alloc(0);
/** A block of more lines than this is read byte by byte: its place would take too much memory. */
const MOST_ORDINARY = 1_000;

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;

/**
 * Field lines and the empty line behind them: those of a message head or of a trailer section (RFC 9112 section 5).
 *
 * One pass over the bytes: every byte is checked, every field name is hashed, and what decides framing is noted.
 * Scratch space that its owner reuses: offsets into `text`, no object for a field.
 */
export class FieldBlock {
  /** Length of `text` plus the empty lines that were skipped before it. */
  consumed = 0;
  /** Why the last parse was refused, for the log. */
  problem = '';
  /** Number of field lines. */
  count = 0;
  /** Offset in `text` of the first field line; 0 while the start line has not been read. */
  fieldsStart = 0;

  /** Value of Content-Length; -1 when there is none. */
  contentLength = -1;
  /**
   * Content-Length goes on as it came, when it came: one line, digits without leading zeros, and no white space but one
   * space before them.
   */
  plainLength = true;
  /** Transfer-Encoding is `chunked`: the only value that is let through. */
  chunked = false;
  /** Bits of ConnectionToken. */
  connection = 0;
  /** Expect: 0 none, 1 `100-continue`, 2 anything else. */
  expect = 0;
  /** Index of the first line of these fields, or -1. */
  hostLine = -1;
  upgradeLine = -1;
  cookieLine = -1;
  /** TE has `trailers`. */
  teTrailers = false;
  /** Bit per HeaderId below 32 that occurs at least once. */
  seen = 0;

  /** The bytes that were parsed last. */
  bytes: Buffer = NONE;
  /** Where the block begins in them. */
  base = 0;
  /** Its length, from the start line to the empty line, both included. */
  length = 0;
  #text: string | null = '';
  /** A second Content-Length that says the same is no reason to refuse the block (RFC 9112 section 6.3). */
  protected takesSameLength = false;
  /** Value of the latest Host line: most are the one before. */
  #host = '';
  readonly #lines: Int32Array;
  /** Null: each byte is looked at on its own. */
  readonly #ordinary: OrdinaryLines | null;
  readonly #maxFields: number;

  /** @param often it is to be parsed again and again until the thread ends: worth memory that is never given back */
  constructor(maxFields = 100, often = false) {
    this.#maxFields = maxFields;
    this.#ordinary = often && maxFields <= MOST_ORDINARY ? OrdinaryLines.make(maxFields, STRIDE) : null;
    this.#lines = this.#ordinary?.lines ?? new Int32Array(maxFields * STRIDE);
  }

  /**
   * The block as latin1 text. Of a response it is made when it is asked for, which has to be while `bytes` still holds
   * it.
   */
  get text(): string {
    this.#text ??= this.bytes.latin1Slice(this.base, this.base + this.length);
    return this.#text;
  }

  nameStart(i: number): number {
    return this.#lines[i * STRIDE]!;
  }
  nameEnd(i: number): number {
    return this.#lines[i * STRIDE + 1]!;
  }
  valueStart(i: number): number {
    return this.#lines[i * STRIDE + 2]!;
  }
  valueEnd(i: number): number {
    return this.#lines[i * STRIDE + 3]!;
  }
  nameHash(i: number): number {
    return this.#lines[i * STRIDE + 4]!;
  }
  /** HeaderId of line i. */
  id(i: number): number {
    return this.#lines[i * STRIDE + 5]!;
  }
  /** Offset just behind line i, its CRLF included. */
  lineEnd(i: number): number {
    return i + 1 < this.count ? this.#lines[(i + 1) * STRIDE]! : this.length - 2;
  }
  name(i: number): string {
    return this.text.slice(this.nameStart(i), this.nameEnd(i));
  }
  value(i: number): string {
    return this.text.slice(this.valueStart(i), this.valueEnd(i));
  }
  /** True when the field occurs. Only for ids below 32. */
  has(id: number): boolean {
    return (this.seen & (1 << id)) !== 0;
  }
  /** Index of the next line with this id at or after `from`, or -1. */
  findId(id: number, from = 0): number {
    for (let i = from; i < this.count; i++) if (this.#lines[i * STRIDE + 5] === id) return i;
    return -1;
  }
  /**
   * Index of the next line with this field name at or after `from`, or -1. `lower` in lower case, `hash` =
   * hashName(lower).
   */
  find(lower: string, hash: number, from = 0): number {
    for (let i = from; i < this.count; i++) {
      if (this.#lines[i * STRIDE + 4] === hash && this.name(i).toLowerCase() === lower) return i;
    }
    return -1;
  }

  /**
   * Parses the trailer section that `bytes` hold: field lines and the empty line, nothing behind it. What its fields
   * say about framing and the connection counts for nothing (RFC 9110 section 6.5.1), and is not looked at.
   */
  parseTrailers(bytes: Buffer): Parse {
    const result = this.parseFields(bytes, 0, 0, bytes.length, true, false);
    if (result === Parse.more) return this.bad('trailer section is incomplete');
    return result === Parse.done && this.consumed < bytes.length
      ? this.bad('bytes behind the trailer section')
      : result;
  }

  protected bad(problem: string): Parse {
    this.problem = problem;
    return Parse.bad;
  }

  /**
   * Parses field lines from bytes[first) on.
   * @param base where the block began; offsets count from there
   * @param readsText `text` is made at once
   * @param heeds what the fields say decides framing and the connection
   */
  protected parseFields(
    bytes: Buffer,
    base: number,
    first: number,
    end: number,
    readsText: boolean,
    heeds = true,
  ): Parse {
    const lines = this.#lines;
    let count = 0;
    let p = first;
    this.bytes = bytes;
    this.base = base;
    this.#text = '';
    this.fieldsStart = first - base;
    this.contentLength = -1;
    this.plainLength = true;
    this.chunked = false;
    this.connection = 0;
    this.expect = 0;
    this.hostLine = -1;
    this.upgradeLine = -1;
    this.cookieLine = -1;
    this.teTrailers = false;
    this.seen = 0;
    const ordinary = this.#ordinary?.begin(bytes, base, first, end) === true ? this.#ordinary : null;
    for (;;) {
      if (ordinary !== null) {
        p = ordinary.read(p, count);
        for (const { count: read } = ordinary; count < read; count++) {
          const at = count * STRIDE;
          if (!this.#take(bytes, lines[at + 5]!, count, lines[at + 2]! + base, lines[at + 3]! + base, heeds))
            return Parse.bad;
        }
      }
      const nameStart = p;
      let byte = 0;
      let hash = 0;
      while (p < end && (byte = HASHED[bytes[p]!]!) !== 0) {
        hash = hashStep(hash, byte);
        p++;
      }
      if (p >= end) return Parse.more;
      if (bytes[p] !== COLON || p === nameStart) {
        if (bytes[p] !== CR || p > nameStart) return this.bad(nameProblem(bytes[nameStart]!));
        if (p + 1 >= end) return Parse.more;
        if (bytes[p + 1] !== LF) return this.bad('bare CR');
        break;
      }
      const nameEnd = p;
      p++;
      while (p < end && ((byte = bytes[p]!) === SP || byte === HTAB)) p++;
      const valueStart = p;
      while (p < end && VALUE[bytes[p]!] === 1) p++;
      if (p >= end) return Parse.more;
      if (bytes[p] !== CR)
        return this.bad(bytes[p] === LF ? 'line ends in a bare LF' : 'control byte in a header value');
      if (p + 1 >= end) return Parse.more;
      if (bytes[p + 1] !== LF) return this.bad('bare CR in a header value');
      let valueEnd = p;
      while (valueEnd > valueStart && ((byte = bytes[valueEnd - 1]!) === SP || byte === HTAB)) valueEnd--;
      p += 2;
      if (count === this.#maxFields) return Parse.tooMany;
      const id = headerId(bytes, nameStart, nameEnd, hash);
      if (ordinary !== null) ordinary.names.note(bytes, nameStart, nameEnd, hash, id);
      const at = count * STRIDE;
      lines[at] = nameStart - base;
      lines[at + 1] = nameEnd - base;
      lines[at + 2] = valueStart - base;
      lines[at + 3] = valueEnd - base;
      lines[at + 4] = hash;
      lines[at + 5] = id;
      if (!this.#take(bytes, id, count, valueStart, valueEnd, heeds)) return Parse.bad;
      count++;
    }
    this.count = count;
    this.consumed = p + 2 - base;
    this.length = p + 2 - base;
    this.#text = readsText ? bytes.latin1Slice(base, p + 2) : null;
    return Parse.done;
  }

  /** Takes in a line. False: refused. */
  #take(bytes: Buffer, id: number, line: number, start: number, end: number, heeds: boolean): boolean {
    if (id === HeaderId.other) return true;
    if (id < 32) this.seen |= 1 << id;
    return id > HeaderId.te || !heeds || this.#note(bytes, id, line, start, end);
  }

  /**
   * Value of the first Host line; '' without one. The same text gives the same string as long as it comes again and
   * again.
   */
  get hostValue(): string {
    return this.hostLine < 0 ? '' : this.#host;
  }

  /** Takes in the value of a Host line. False: it is not valid. */
  #noteHost(bytes: Buffer, start: number, end: number): boolean {
    const known = this.#host;
    let same = known !== '' && known.length === end - start;
    for (let k = 0; same && k < known.length; k++) same = bytes[start + k] === known.charCodeAt(k);
    if (same) return true;
    // An empty one is that of a client that knows no name (RFC 9110 section 7.2).
    if (start < end && !isHost(bytes, start, end)) return false;
    this.#host = bytes.latin1Slice(start, end);
    return true;
  }

  /** Takes in a field that decides framing or the connection. False: refused. */
  #note(bytes: Buffer, id: number, line: number, start: number, end: number): boolean {
    switch (id) {
      case HeaderId.host:
        if (this.hostLine >= 0) return this.#refuse('two Host lines');
        if (!this.#noteHost(bytes, start, end)) return this.#refuse('invalid Host');
        this.hostLine = line;
        return true;
      case HeaderId.contentLength: {
        // 15 digits stay exact in a double.
        if (start === end || end - start > 15)
          return this.#refuse('Content-Length is not a number of at most 15 digits');
        let value = 0;
        for (let p = start; p < end; p++) {
          const digit = bytes[p]! - 0x30;
          if (digit < 0 || digit > 9) return this.#refuse('Content-Length is not digits only');
          value = value * 10 + digit;
        }
        if (this.contentLength < 0) {
          this.contentLength = value;
          this.plainLength = isPlainNumber(bytes, start, end);
          return true;
        }
        // Of a request also when they agree: no two programs have to agree on which one counts.
        if (!this.takesSameLength) return this.#refuse('two Content-Length lines');
        this.plainLength = false;
        return value === this.contentLength || this.#refuse('two Content-Length lines that differ');
      }
      case HeaderId.transferEncoding:
        if (this.chunked) return this.#refuse('two Transfer-Encoding lines');
        if (!equalsLower(bytes, start, end, 'chunked')) return this.#refuse('Transfer-Encoding is not exactly chunked');
        this.chunked = true;
        return true;
      case HeaderId.connection:
        this.connection |= connectionTokens(bytes, start, end);
        return true;
      case HeaderId.expect:
        this.expect = this.expect === 0 && equalsLower(bytes, start, end, '100-continue') ? 1 : 2;
        return true;
      case HeaderId.upgrade:
        if (this.upgradeLine < 0) this.upgradeLine = line;
        return true;
      case HeaderId.cookie:
        if (this.cookieLine < 0) this.cookieLine = line;
        return true;
      case HeaderId.te:
        if (hasTrailersToken(bytes, start, end)) this.teTrailers = true;
        return true;
      default:
        return true;
    }
  }

  #refuse(problem: string): false {
    this.problem = problem;
    return false;
  }
}

function nameProblem(first: number): string {
  return first === SP || first === HTAB ? 'folded header line' : 'header name is not a token followed by a colon';
}

function equalsLower(bytes: Buffer, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let k = 0; k < lower.length; k++) if (TOKEN[bytes[start + k]!] !== lower.charCodeAt(k)) return false;
  return true;
}

/**
 * Whether the number at bytes[start, end), a field value, stands there in the one way in which limpet writes numbers.
 */
function isPlainNumber(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[start] === 0x30 && end - start > 1) return false;
  if (bytes[end] !== CR) return false;
  return bytes[start - 1] === COLON || (bytes[start - 1] === SP && bytes[start - 2] === COLON);
}

function hasTrailersToken(bytes: Buffer, start: number, end: number): boolean {
  return bytes
    .latin1Slice(start, end)
    .toLowerCase()
    .split(',')
    .some((token) => token.trim() === 'trailers');
}
