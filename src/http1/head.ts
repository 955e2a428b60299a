/**
 * The strict HTTP/1.1 head parser, for requests and responses (RFC 9112 sections 2 to 6, behaviours 53, 54).
 * Framing is decided here and nowhere else.
 */
import { characterClass } from './character-classes.ts';
import { ConnectionToken } from './connection-tokens.ts';
import { FieldBlock } from './field-block.ts';
import { isHost, isSameHost } from './host.ts';
import { Parse } from './parse.ts';

export { ConnectionToken, Parse };

/** Body framing of a message (RFC 9112 section 6.3). */
export const Framing = { none: 0, length: 1, chunked: 2, untilClose: 3 } as const;

/** One of the values of Framing. */
export type Framing = (typeof Framing)[keyof typeof Framing];

/**
 * 1 for the bytes of a method: token characters that are not lower case. Methods are case-sensitive and all that are
 * registered are in capitals (RFC 9110 section 9.1); `head` would have a body for one server and none for another.
 */
const METHOD = characterClass.token();
for (let b = 0; b < 256; b++) METHOD[b] = METHOD[b] === 0 || (b >= 0x61 && b <= 0x7a) ? 0 : 1;
const TARGET = characterClass.target();
/** The same without `?`. */
const PATH = characterClass.target();
PATH[0x3f] = 0;
const VALUE = characterClass.fieldValue();

const CR = 13;
const LF = 10;
const SP = 32;
const SLASH = 0x2f;
const QUESTION = 0x3f;
const HTTP1 = Buffer.from('HTTP/1.', 'latin1');

export class Head extends FieldBlock {
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. Any later minor version is read as HTTP/1.1 (RFC 9110 section 2.5). */
  minor = 1;
  /** Its start line says HTTP/1.1, and goes on as it came. */
  plainVersion = true;

  /** Also known when what follows it is refused; '' while it is not. */
  method = '';
  /** Request target as it came, `text[targetStart, targetEnd)`. */
  targetStart = 0;
  targetEnd = 0;
  /**
   * Path and query in origin form, `text[pathStart, targetEnd)`; the path ends at `pathEnd`. For `*`: that one
   * character.
   */
  pathStart = 0;
  pathEnd = 0;
  /** Offsets of the authority of an absolute-form target; both 0 when it has none. */
  authorityStart = 0;
  authorityEnd = 0;

  status = 0;
  reasonStart = 0;

  /** Of a request; that of a response depends on the request too: see `responseFraming`. */
  framing: Framing = Framing.none;

  get host(): string {
    if (this.authorityEnd > 0) return this.text.slice(this.authorityStart, this.authorityEnd);
    return this.hostValue;
  }
  /** Path without query; `/` for an absolute-form target without a path. */
  get path(): string {
    return this.pathEnd > this.pathStart ? this.text.slice(this.pathStart, this.pathEnd) : '/';
  }
  /** The target as it goes to the backend: path with query, or `*`. */
  get originForm(): string {
    const tail = this.text.slice(this.pathStart, this.targetEnd);
    if (this.pathEnd > this.pathStart) return tail;
    // RFC 9112 3.2.4: OPTIONS of a server as a whole comes to its last proxy in absolute form without a path.
    return tail === '' && this.method === 'OPTIONS' ? '*' : `/${tail}`;
  }
  /** Whether the connection may carry another message after this one (RFC 9112 9.3). */
  get keepAlive(): boolean {
    if ((this.connection & ConnectionToken.close) !== 0) return false;
    return this.minor === 1 || (this.connection & ConnectionToken.keepAlive) !== 0;
  }

  /** Parses bytes[start, end) as a request head. */
  parseRequest(bytes: Buffer, start: number, end: number): Parse {
    let p = start;
    this.fieldsStart = 0;
    this.method = '';
    // A robust server skips empty lines before the request line (RFC 9112 2.2); only whole CRLFs count.
    while (p < end && bytes[p] === CR) {
      if (p + 1 === end) return Parse.more;
      if (bytes[p + 1] !== LF) return this.bad('bare CR before the request line');
      p += 2;
    }
    const base = p;
    while (p < end && METHOD[bytes[p]!] === 1) p++;
    if (p === end) return Parse.more;
    if (p === base || bytes[p] !== SP) return this.bad('method is not a token in capitals followed by one space');
    this.method = methodName(bytes, base, p);
    p++;
    const targetStart = p;
    while (p < end && PATH[bytes[p]!] === 1) p++;
    const pathEnd = p;
    while (p < end && TARGET[bytes[p]!] === 1) p++;
    if (p === end) return Parse.more;
    if (p === targetStart || bytes[p] !== SP) return this.bad('request target has a byte that is not allowed');
    const targetEnd = p;
    p++;
    // "HTTP/1.x" CRLF is ten bytes.
    const known = Math.min(end - p, 10);
    for (let k = 0; k < known; k++) {
      const byte = bytes[p + k]!;
      if (k < 7 ? byte !== HTTP1[k] : k === 7 ? byte < 0x30 || byte > 0x39 : byte !== (k === 8 ? CR : LF))
        return this.bad('version is not HTTP/1.x, or the line does not end in CRLF');
    }
    if (known < 10) return Parse.more;
    this.minor = bytes[p + 7] === 0x30 ? 0 : 1;
    this.plainVersion = bytes[p + 7] === 0x31;
    this.takesSameLength = false;
    const result = this.parseFields(bytes, base, p + 10, end, true);
    if (result !== Parse.done) return result;
    this.consumed += base - start;
    this.targetStart = targetStart - base;
    this.targetEnd = targetEnd - base;
    this.pathEnd = pathEnd - base;
    return this.#checkRequest();
  }

  /** Parses bytes[start, end) as a response head. */
  parseResponse(bytes: Buffer, start: number, end: number): Parse {
    this.fieldsStart = 0;
    // "HTTP/1.x" SP and three digits are twelve bytes.
    const known = Math.min(end - start, 12);
    for (let k = 0; k < known; k++) {
      const byte = bytes[start + k]!;
      if (
        k < 7
          ? byte !== HTTP1[k]
          : k === 7
            ? byte < 0x30 || byte > 0x39
            : k === 8
              ? byte !== SP
              : byte < 0x30 || byte > 0x39
      ) {
        return this.bad('status line is not HTTP/1.x and three digits');
      }
    }
    if (known < 12) return Parse.more;
    this.minor = bytes[start + 7] === 0x30 ? 0 : 1;
    this.plainVersion = bytes[start + 7] === 0x31;
    this.takesSameLength = true;
    this.status = (bytes[start + 9]! - 0x30) * 100 + (bytes[start + 10]! - 0x30) * 10 + (bytes[start + 11]! - 0x30);
    if (this.status < 100) return this.bad('status below 100');
    let p = start + 12;
    if (p === end) return Parse.more;
    // The space before an empty reason is left out by some servers; it is put back when the line is written.
    if (bytes[p] === SP) p++;
    else if (bytes[p] !== CR) return this.bad('status is not three digits followed by a space');
    const reasonStart = p;
    while (p < end && VALUE[bytes[p]!] === 1) p++;
    if (p === end) return Parse.more;
    if (bytes[p] !== CR) return this.bad('control byte in the reason phrase');
    if (p + 1 === end) return Parse.more;
    if (bytes[p + 1] !== LF) return this.bad('bare CR in the status line');
    const result = this.parseFields(bytes, start, p + 2, end, false);
    if (result !== Parse.done) return result;
    this.reasonStart = reasonStart - start;
    return this.#checkFraming();
  }

  /** Framing of this response to a request with `method` (RFC 9112 6.3, behaviour 55). */
  responseFraming(method: string): Framing {
    const status = this.status;
    if (method === 'HEAD' || status === 204 || status === 304 || status < 200) return Framing.none;
    if (this.chunked) return Framing.chunked;
    if (this.contentLength >= 0) return this.contentLength === 0 ? Framing.none : Framing.length;
    return Framing.untilClose;
  }

  #checkFraming(): Parse {
    if (this.chunked) {
      // RFC 9112 6.1: both together is how requests are smuggled; neither is believed.
      if (this.contentLength >= 0) return this.bad('Content-Length together with Transfer-Encoding');
      if (this.minor === 0) return this.bad('Transfer-Encoding in an HTTP/1.0 message');
      this.framing = Framing.chunked;
    } else {
      this.framing = this.contentLength > 0 ? Framing.length : Framing.none;
    }
    return Parse.done;
  }

  #checkRequest(): Parse {
    if (this.#checkFraming() !== Parse.done) return Parse.bad;
    if (this.hostLine < 0 && this.minor === 1) return this.bad('no Host in an HTTP/1.1 request');
    const { text, targetStart } = this;
    this.authorityStart = 0;
    this.authorityEnd = 0;
    this.pathStart = targetStart;
    const first = text.charCodeAt(targetStart);
    if (first === SLASH) return Parse.done;
    if (this.method === 'CONNECT') {
      this.pathEnd = this.targetEnd;
      return Parse.done;
    }
    if (first !== 0x2a) return this.#absoluteForm();
    if (this.targetEnd > targetStart + 1 || this.method !== 'OPTIONS')
      return this.bad('the target * stands alone and is for OPTIONS only');
    return Parse.done;
  }

  /** `http://authority/path` (RFC 9112 3.2.2). Off the usual path. */
  #absoluteForm(): Parse {
    const target = this.text.slice(this.targetStart, this.targetEnd);
    const scheme = /^https?:\/\//i.exec(target)?.[0];
    if (scheme === undefined) return this.bad('request target is neither a path nor an http address');
    const from = scheme.length;
    let to = from;
    while (to < target.length && target.charCodeAt(to) !== SLASH && target.charCodeAt(to) !== QUESTION) to++;
    const authority = target.slice(from, to);
    if (!isHost(Buffer.from(authority, 'latin1'), 0, authority.length))
      return this.bad('invalid authority in the request target');
    // RFC 9112 3.2.2 lets the target win; a Host that says something else is an attack or a defect, and is not guessed
    // at.
    if (this.hostLine >= 0 && !isSameHost(authority, this.value(this.hostLine), from === 8 ? 443 : 80))
      return this.bad('Host differs from the authority of the request target');
    this.authorityStart = this.targetStart + from;
    this.authorityEnd = this.targetStart + to;
    this.pathStart = this.authorityEnd;
    return Parse.done;
  }
}

/** The method as text; the usual ones without making a string. */
function methodName(bytes: Buffer, start: number, end: number): string {
  if (end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54)
    return 'GET';
  if (end - start === 4 && bytes[start] === 0x50 && bytes[start + 1] === 0x4f && bytes[start + 2] === 0x53) {
    if (bytes[start + 3] === 0x54) return 'POST';
  }
  return bytes.latin1Slice(start, end);
}
