/**
 * Resume of a broken response (behaviours 48 to 50): which responses can go on at another backend, how the rest is
 * asked for, and which answers bring exactly that rest. Whatever is not certain is refused: a response that is cut can
 * be fetched again, one with wrong bytes in it is never found out.
 */
import type { Resumption } from '../exchange/resumption.ts';
import { Framing, type Head } from '../http1/head.ts';
import { HeaderId, hashName } from '../http1/header-id.ts';

/** Fields of the client's request, in lower case, that give way to those of `rangeLines`. */
export const CONDITIONS: ReadonlySet<string> = new Set([
  'range',
  'if-range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
]);

const ETAG = 'etag';
const ETAG_HASH = hashName(ETAG);
const ACCEPT_RANGES = 'accept-ranges';
const ACCEPT_RANGES_HASH = hashName(ACCEPT_RANGES);
/** RFC 9110 section 14.4; numbers that JavaScript can count with. */
const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i;
const MULTIPART = 'multipart/byteranges';

const DQUOTE = 0x22;
const DEL = 0x7f;

/**
 * What a response to GET needs to go on at another backend; null: it cannot (behaviour 48).
 * @param framing value of Framing, of the response as the backend sends it
 */
export function resumable(head: Head, framing: Framing): Resumption | null {
  const { status, contentLength } = head;
  if ((status !== 200 && status !== 206) || framing !== Framing.length) return null;
  // Trailers are announced, and could not be had again.
  if (head.has(HeaderId.trailer)) return null;
  const etag = strongTag(head);
  if (etag === '' || refusesRanges(head)) return null;
  const encoding = codings(head);
  if (status === 200) return { etag, encoding, first: 0, last: contentLength - 1, total: String(contentLength) };
  const range = CONTENT_RANGE.exec(onlyRange(head));
  if (range === null || isMultipart(head)) return null;
  const [first, last] = [Number(range[1]), Number(range[2])];
  const total = range[3]!;
  if (last - first + 1 !== contentLength || (total !== '*' && last >= Number(total))) return null;
  return { etag, encoding, first, last, total };
}

/** Bytes of the body that are still to come when the client has been handed `sent` of them. */
export function restOf({ first, last }: Resumption, sent: number): number {
  return last - first + 1 - sent;
}

/**
 * The field lines, the last one without its CRLF, that ask for the rest behind the first `sent` bytes of the body
 * (behaviour 49).
 */
export function rangeLines({ etag, first, last, total }: Resumption, sent: number): string {
  // Up to the end of all there is, no end has to be named.
  const end = String(last + 1) === total ? '' : last;
  return `Range: bytes=${first + sent}-${end}\r\nIf-Range: ${etag}`;
}

/**
 * Whether a response brings exactly the rest behind the first `sent` bytes of the body (behaviour 50).
 * @returns '', or why it does not: for the log
 */
export function refusal(resumption: Resumption, sent: number, head: Head, framing: Framing): string {
  if (head.status !== 206) return `status ${head.status}`;
  const { etag, encoding, first, last, total } = resumption;
  if (strongTag(head) !== etag) return 'another ETag';
  if (codings(head) !== encoding) return 'another Content-Encoding';
  if (isMultipart(head)) return 'several ranges';
  if (onlyRange(head).toLowerCase() !== `bytes ${first + sent}-${last}/${total}`) return 'another Content-Range';
  // Of a body in chunks, or to the end of the connection, the range alone tells the length.
  if (framing === Framing.none || (framing === Framing.length && head.contentLength !== restOf(resumption, sent)))
    return 'a Content-Length that is not that of its range';
  return '';
}

/** The entity tag of a response that has one, and a strong one (RFC 9110 section 8.8.3); '' otherwise. */
function strongTag(head: Head): string {
  const line = head.find(ETAG, ETAG_HASH);
  if (line < 0 || head.find(ETAG, ETAG_HASH, line + 1) >= 0) return '';
  const { text } = head;
  const start = head.valueStart(line);
  const last = head.valueEnd(line) - 1;
  if (last <= start || text.charCodeAt(start) !== DQUOTE || text.charCodeAt(last) !== DQUOTE) return '';
  for (let at = start + 1; at < last; at++) {
    const byte = text.charCodeAt(at);
    if (byte <= 0x20 || byte === DQUOTE || byte === DEL) return '';
  }
  return text.slice(start, last + 1);
}

function refusesRanges(head: Head): boolean {
  let line = head.find(ACCEPT_RANGES, ACCEPT_RANGES_HASH);
  for (; line >= 0; line = head.find(ACCEPT_RANGES, ACCEPT_RANGES_HASH, line + 1))
    if (head.value(line).toLowerCase() === 'none') return true;
  return false;
}

function codings(head: Head): string {
  let all = '';
  for (
    let line = head.findId(HeaderId.contentEncoding);
    line >= 0;
    line = head.findId(HeaderId.contentEncoding, line + 1)
  )
    all += all === '' ? head.value(line) : `, ${head.value(line)}`;
  return all.toLowerCase();
}

/** Value of Content-Range; '' when there is none or more than one. */
function onlyRange(head: Head): string {
  const line = head.findId(HeaderId.contentRange);
  return line < 0 || head.findId(HeaderId.contentRange, line + 1) >= 0 ? '' : head.value(line);
}

function isMultipart(head: Head): boolean {
  const line = head.findId(HeaderId.contentType);
  return line >= 0 && head.value(line).slice(0, MULTIPART.length).toLowerCase() === MULTIPART;
}
