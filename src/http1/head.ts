/**
 * The strict HTTP/1.1 head parser, for requests and responses (RFC 9112 sections 2 to 5, behaviours 53, 54).
 *
 * One pass over the bytes: every byte is checked, every field name is hashed, framing is decided here and nowhere else.
 * A Head is scratch space that its owner reuses: offsets into `text`, no object per header field.
 */
import { HeaderId, hashStep, headerId } from './header-id.ts';

declare global {
  interface Buffer {
    /** Undocumented, unchanged since Node 0.x: `toString('latin1')` without its argument checks. */
    latin1Slice(start?: number, end?: number): string;
  }
}

/** What came of a parse. */
export const Parse = {
  done: 0,
  /** The block is not complete: call again with more bytes from the same start. */
  more: 1,
  /** 400 for a request, BACKEND_PROTOCOL for a response; `head.problem` says why. */
  bad: 2,
  /** More fields than allowed: 431. */
  tooMany: 3,
} as const;

/** Tokens of `Connection` that have a meaning of their own. */
export const ConnectionToken = { close: 1, keepAlive: 2, upgrade: 4, te: 8, named: 16 } as const;

/** Body framing of a message (RFC 9112 section 6.3). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/** Int32 entries for each field line: name start, name end, value start, value end, name hash, id. */
const STRIDE = 6;

/** Byte -> lower case for token characters (RFC 9110 5.6.2), 0 for all others. */
const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[c.charCodeAt(0)] = c.toLowerCase().charCodeAt(0);
}
/** The same with `_` counted as `-`, for the hash. */
const HASHED = TOKEN.slice();
HASHED[0x5f] = 0x2d;
/** 1 for bytes that may stand in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 5.5). */
const VALUE = new Uint8Array(256);
VALUE[9] = 1;
for (let b = 0x20; b < 0x100; b++) VALUE[b] = b === 0x7f ? 0 : 1;
/** 1 for bytes that may stand in a request target. Stricter than browsers are lenient: no `#`, nothing above ASCII. */
const TARGET = new Uint8Array(256);
for (let b = 0x21; b < 0x7f; b++) TARGET[b] = b === 0x23 ? 0 : 1;
/** 1 for the bytes of a host or IP literal with port. */
const HOST = new Uint8Array(256);
for (const c of "-._~!$&'()*+,;=%:[]0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  HOST[c.charCodeAt(0)] = 1;

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;

export class Head {
  /** The block as latin1 text, from the first byte of the start line to the empty line, both included. */
  text = '';
  /** Length of `text` plus the empty lines that were skipped before it. */
  consumed = 0;
  /** Why the last parse was refused, for the log. */
  problem = '';
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minor = 1;
  /** Number of field lines. */
  count = 0;
  /** Offset in `text` of the first field line. */
  fieldsStart = 0;

  method = '';
  /** Request target as it came, `text[targetStart, targetEnd)`. */
  targetStart = 0;
  targetEnd = 0;
  /** Path and query in origin form, `text[pathStart, queryEnd)`; the path ends at `pathEnd`. For `*`: that one character. */
  pathStart = 0;
  pathEnd = 0;
  /** Offsets of the authority of an absolute-form target; both 0 when it has none. */
  authorityStart = 0;
  authorityEnd = 0;
  /** Index of the Host line, or -1. */
  hostLine = -1;

  status = 0;
  reasonStart = 0;

  framing: number = Framing.none;
  /** Bytes, for Framing.length. Also the value of a HEAD response's or 304's Content-Length; -1 when there is none. */
  contentLength = -1;
  /** Bits of ConnectionToken. */
  connection = 0;
  /** Expect: 0 none, 1 `100-continue`, 2 anything else. */
  expect = 0;
  /** Index of the first line of these fields, or -1. */
  upgradeLine = -1;
  cookieLine = -1;
  /** TE has `trailers`. */
  teTrailers = false;
  /** Bit per HeaderId below 32 that occurs at least once. */
  seen = 0;

  #lines: Int32Array;
  readonly #maxFields: number;
  #chunked = false;

  constructor(maxFields = 100) {
    this.#maxFields = maxFields;
    this.#lines = new Int32Array(Math.max(maxFields, 1) * STRIDE);
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
    return i + 1 < this.count ? this.#lines[(i + 1) * STRIDE]! : this.text.length - 2;
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
  /** Index of the next line with this field name at or after `from`, or -1. `lower` in lower case, `hash` = hashName(lower). */
  find(lower: string, hash: number, from = 0): number {
    for (let i = from; i < this.count; i++) {
      if (this.#lines[i * STRIDE + 4] === hash && this.name(i).toLowerCase() === lower) return i;
    }
    return -1;
  }
  get host(): string {
    if (this.authorityEnd > 0) return this.text.slice(this.authorityStart, this.authorityEnd);
    return this.hostLine < 0 ? '' : this.value(this.hostLine);
  }
  /** Path without query. */
  get path(): string {
    return this.text.slice(this.pathStart, this.pathEnd);
  }
  /** Path with query, as it goes to the backend; an absolute-form target without a path gives `/`. */
  get originForm(): string {
    return this.pathStart < this.targetEnd ? this.#originTail() : `/${this.#originTail()}`;
  }
  #originTail(): string {
    const tail = this.text.slice(this.pathStart, this.targetEnd);
    return tail.startsWith('?') ? `/${tail}` : tail;
  }
  /** Whether the connection may carry another message after this one (RFC 9112 9.3). */
  get keepAlive(): boolean {
    if ((this.connection & ConnectionToken.close) !== 0) return false;
    return this.minor === 1 || (this.connection & ConnectionToken.keepAlive) !== 0;
  }

  /** Parses bytes[start, end) as a request head. */
  parseRequest(bytes: Buffer, start: number, end: number): number {
    let p = start;
    // A robust server skips empty lines before the request line (RFC 9112 2.2); only whole CRLFs count.
    while (p < end && bytes[p] === CR) {
      if (p + 1 === end) return Parse.more;
      if (bytes[p + 1] !== LF) return this.#bad('bare CR before the request line');
      p += 2;
    }
    const base = p;
    while (p < end && TOKEN[bytes[p]!] !== 0) p++;
    if (p === end) return Parse.more;
    if (p === base || bytes[p] !== SP) return this.#bad('method is not a token followed by one space');
    const methodEnd = p;
    p++;
    const targetStart = p;
    while (p < end && TARGET[bytes[p]!] === 1) p++;
    if (p === end) return Parse.more;
    if (p === targetStart || bytes[p] !== SP) return this.#bad('request target has a byte that is not allowed');
    const targetEnd = p;
    p++;
    // "HTTP/1.x" CRLF is ten bytes.
    const known = Math.min(end - p, 10);
    for (let k = 0; k < known; k++) {
      const byte = bytes[p + k]!;
      if (k === 7 ? byte !== 0x30 && byte !== 0x31 : byte !== 'HTTP/1.0\r\n'.charCodeAt(k)) {
        return this.#bad('version is not HTTP/1.0 or HTTP/1.1, or the line does not end in CRLF');
      }
    }
    if (known < 10) return Parse.more;
    this.minor = bytes[p + 7]! - 0x30;
    const result = this.#parseFields(bytes, base, p + 10, end);
    if (result !== Parse.done) return result;
    this.consumed += base - start;
    this.method = this.text.slice(0, methodEnd - base);
    this.targetStart = targetStart - base;
    this.targetEnd = targetEnd - base;
    return this.#checkRequest();
  }

  /** Parses bytes[start, end) as a response head. Its framing depends on the request too: see `responseFraming`. */
  parseResponse(bytes: Buffer, start: number, end: number): number {
    const known = Math.min(end - start, 12);
    for (let k = 0; k < known; k++) {
      const byte = bytes[start + k]!;
      if (
        k < 7
          ? byte !== 'HTTP/1.'.charCodeAt(k)
          : k === 7
            ? byte !== 0x30 && byte !== 0x31
            : k === 8
              ? byte !== SP
              : byte < 0x30 || byte > 0x39
      ) {
        return this.#bad('status line is not HTTP/1.x and three digits');
      }
    }
    if (known < 12) return Parse.more;
    this.minor = bytes[start + 7]! - 0x30;
    this.status = (bytes[start + 9]! - 0x30) * 100 + (bytes[start + 10]! - 0x30) * 10 + (bytes[start + 11]! - 0x30);
    if (this.status < 100) return this.#bad('status below 100');
    let p = start + 12;
    if (p === end) return Parse.more;
    // The space before an empty reason is left out by some servers; it is put back when the line is written.
    if (bytes[p] === SP) p++;
    else if (bytes[p] !== CR) return this.#bad('status is not followed by a space');
    const reasonStart = p;
    while (p < end && VALUE[bytes[p]!] === 1) p++;
    if (p === end) return Parse.more;
    if (bytes[p] !== CR) return this.#bad('control byte in the reason phrase');
    if (p + 1 === end) return Parse.more;
    if (bytes[p + 1] !== LF) return this.#bad('bare CR in the status line');
    const result = this.#parseFields(bytes, start, p + 2, end);
    if (result !== Parse.done) return result;
    this.reasonStart = reasonStart - start;
    return this.#checkFraming();
  }

  /** Parses the trailer section `text` (field lines and the empty line). */
  parseTrailers(bytes: Buffer): number {
    const result = this.#parseFields(bytes, 0, 0, bytes.length);
    return result === Parse.more ? this.#bad('trailer section is incomplete') : result;
  }

  /** Framing of this response to a request with `method` (RFC 9112 6.3, behaviour 55). */
  responseFraming(method: string): number {
    const status = this.status;
    if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return Framing.none;
    if (this.#chunked) return Framing.chunked;
    if (this.contentLength >= 0) return this.contentLength === 0 ? Framing.none : Framing.length;
    return Framing.untilClose;
  }

  #bad(problem: string): number {
    this.problem = problem;
    return Parse.bad;
  }

  #parseFields(bytes: Buffer, base: number, first: number, end: number): number {
    const lines = this.#lines;
    let count = 0;
    let at = 0;
    let p = first;
    this.connection = 0;
    this.contentLength = -1;
    this.expect = 0;
    this.hostLine = -1;
    this.upgradeLine = -1;
    this.cookieLine = -1;
    this.teTrailers = false;
    this.seen = 0;
    this.#chunked = false;
    for (;;) {
      if (p >= end) return Parse.more;
      let byte = bytes[p]!;
      if (byte === CR) {
        if (p + 1 >= end) return Parse.more;
        if (bytes[p + 1] !== LF) return this.#bad('bare CR');
        break;
      }
      const nameStart = p;
      let hash = 0;
      while (p < end && (byte = HASHED[bytes[p]!]!) !== 0) {
        hash = hashStep(hash, byte);
        p++;
      }
      if (p >= end) return Parse.more;
      if (bytes[p] !== COLON || p === nameStart) {
        byte = bytes[nameStart]!;
        return this.#bad(
          byte === SP || byte === HTAB ? 'folded header line' : 'header name is not a token followed by a colon',
        );
      }
      const nameEnd = p;
      p++;
      while (p < end && ((byte = bytes[p]!) === SP || byte === HTAB)) p++;
      const valueStart = p;
      while (p < end && VALUE[bytes[p]!] === 1) p++;
      if (p >= end) return Parse.more;
      if (bytes[p] !== CR)
        return this.#bad(bytes[p] === LF ? 'line ends in a bare LF' : 'control byte in a header value');
      if (p + 1 >= end) return Parse.more;
      if (bytes[p + 1] !== LF) return this.#bad('bare CR in a header value');
      let valueEnd = p;
      while (valueEnd > valueStart && ((byte = bytes[valueEnd - 1]!) === SP || byte === HTAB)) valueEnd--;
      p += 2;
      if (count === this.#maxFields) return Parse.tooMany;
      const id = headerId(bytes, nameStart, nameEnd, hash);
      lines[at] = nameStart - base;
      lines[at + 1] = nameEnd - base;
      lines[at + 2] = valueStart - base;
      lines[at + 3] = valueEnd - base;
      lines[at + 4] = hash;
      lines[at + 5] = id;
      if (id !== HeaderId.other) {
        if (id < 32) this.seen |= 1 << id;
        if (id <= HeaderId.te && !this.#note(bytes, id, count, valueStart, valueEnd)) return Parse.bad;
      }
      at += STRIDE;
      count++;
    }
    this.count = count;
    this.consumed = p + 2 - base;
    this.fieldsStart = first - base;
    this.text = bytes.latin1Slice(base, p + 2);
    return Parse.done;
  }

  /** Takes in a field that decides framing or the connection. False: refused. */
  #note(bytes: Buffer, id: number, line: number, start: number, end: number): boolean {
    switch (id) {
      case HeaderId.host:
        if (this.hostLine >= 0) return this.#refuse('two Host lines');
        this.hostLine = line;
        return isHost(bytes, start, end) || this.#refuse('invalid Host');
      case HeaderId.contentLength: {
        if (this.contentLength >= 0) return this.#refuse('two Content-Length lines');
        // 15 digits stay exact in a double.
        if (start === end || end - start > 15) return this.#refuse('Content-Length is not a number');
        let value = 0;
        for (let p = start; p < end; p++) {
          const digit = bytes[p]! - 0x30;
          if (digit < 0 || digit > 9) return this.#refuse('Content-Length is not digits only');
          value = value * 10 + digit;
        }
        this.contentLength = value;
        return true;
      }
      case HeaderId.transferEncoding:
        if (this.#chunked) return this.#refuse('two Transfer-Encoding lines');
        if (!equalsLower(bytes, start, end, 'chunked')) return this.#refuse('Transfer-Encoding is not exactly chunked');
        this.#chunked = true;
        return true;
      case HeaderId.connection:
        this.#noteConnection(bytes, start, end);
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

  #noteConnection(bytes: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end) {
      let stop = p;
      while (stop < end && bytes[stop] !== 0x2c) stop++;
      let a = p;
      let b = stop;
      while (a < b && (bytes[a] === SP || bytes[a] === HTAB)) a++;
      while (b > a && (bytes[b - 1] === SP || bytes[b - 1] === HTAB)) b--;
      if (b > a) {
        if (equalsLower(bytes, a, b, 'keep-alive')) this.connection |= ConnectionToken.keepAlive;
        else if (equalsLower(bytes, a, b, 'close')) this.connection |= ConnectionToken.close;
        else if (equalsLower(bytes, a, b, 'upgrade')) this.connection |= ConnectionToken.upgrade;
        else if (equalsLower(bytes, a, b, 'te')) this.connection |= ConnectionToken.te;
        else this.connection |= ConnectionToken.named;
      }
      p = stop + 1;
    }
  }

  #checkFraming(): number {
    if (this.#chunked) {
      // RFC 9112 6.1: both together is how requests are smuggled; neither is believed.
      if (this.contentLength >= 0) return this.#bad('Content-Length together with Transfer-Encoding');
      if (this.minor === 0) return this.#bad('Transfer-Encoding in an HTTP/1.0 message');
      this.framing = Framing.chunked;
    } else {
      this.framing = this.contentLength > 0 ? Framing.length : Framing.none;
    }
    return Parse.done;
  }

  #checkRequest(): number {
    if (this.#checkFraming() !== Parse.done) return Parse.bad;
    if (this.hostLine < 0 && this.minor === 1) return this.#bad('no Host in an HTTP/1.1 request');
    const text = this.text;
    const start = this.targetStart;
    const end = this.targetEnd;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.pathStart = start;
    const first = text.charCodeAt(start);
    if (first !== 0x2f) {
      if (this.method === 'CONNECT') {
        this.pathEnd = end;
        return Parse.done;
      }
      if (first === 0x2a && end === start + 1) {
        if (this.method !== 'OPTIONS') return this.#bad('the target * is for OPTIONS only');
        this.pathEnd = end;
        return Parse.done;
      }
      if (!this.#absoluteForm()) return Parse.bad;
    }
    const query = text.indexOf('?', this.pathStart);
    this.pathEnd = query < 0 || query > end ? end : query;
    return Parse.done;
  }

  /** `http://authority/path` (RFC 9112 3.2.2). */
  #absoluteForm(): boolean {
    const target = this.text.slice(this.targetStart, this.targetEnd);
    const scheme = /^https?:\/\//i.exec(target);
    if (scheme === null) return this.#refuse('request target is neither a path nor an http address');
    const from = scheme[0].length;
    let to = from;
    while (to < target.length && target[to] !== '/' && target[to] !== '?') to++;
    const authority = target.slice(from, to);
    const bytes = Buffer.from(authority, 'latin1');
    if (authority === '' || !isHost(bytes, 0, bytes.length))
      return this.#refuse('invalid authority in the request target');
    if (this.hostLine >= 0) {
      const port = scheme[0].length === 8 ? ':443' : ':80';
      const plain = (host: string): string =>
        (host.toLowerCase().endsWith(port) ? host.slice(0, -port.length) : host).toLowerCase();
      if (plain(authority) !== plain(this.value(this.hostLine)))
        return this.#refuse('Host differs from the authority of the request target');
    }
    this.authorityStart = this.targetStart + from;
    this.authorityEnd = this.targetStart + to;
    this.pathStart = this.targetStart + to;
    return true;
  }
}

/** Whether bytes[start, end) is `host`, `host:port`, `[v6]` or `[v6]:port`, and not empty (RFC 9110 7.2). */
function isHost(bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return false;
  let p = start;
  if (bytes[p] === 0x5b) {
    p++;
    const literal = p;
    while (p < end && bytes[p] !== 0x5d) {
      const b = bytes[p]! | 0x20;
      if (!((bytes[p]! >= 0x30 && bytes[p]! <= 0x3a) || (b >= 0x61 && b <= 0x66) || bytes[p] === 0x2e)) return false;
      p++;
    }
    if (p === end || p === literal) return false;
    p++;
  } else {
    while (p < end && bytes[p] !== COLON) {
      if (HOST[bytes[p]!] !== 1 || bytes[p] === 0x5b || bytes[p] === 0x5d) return false;
      p++;
    }
    if (p === start) return false;
  }
  if (p === end) return true;
  if (bytes[p] !== COLON || end - p > 6) return false;
  let port = 0;
  for (p++; p < end; p++) {
    const digit = bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

function equalsLower(bytes: Buffer, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let k = 0; k < lower.length; k++) if (TOKEN[bytes[start + k]!] !== lower.charCodeAt(k)) return false;
  return true;
}

function hasTrailersToken(bytes: Buffer, start: number, end: number): boolean {
  return bytes
    .latin1Slice(start, end)
    .toLowerCase()
    .split(',')
    .some((token) => token.trim() === 'trailers');
}
