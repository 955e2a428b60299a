import type { CookieNames } from '../affinity/cookie-names.ts';
import { stripCookies } from '../affinity/cookie-strip.ts';
import type { Backend } from '../backends/backend.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { CONNECTION_FIELD_IDS } from '../http1/connection-fields.ts';
import { ConnectionToken, Framing, type Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { LIMPET_FIELD_IDS } from '../http1/limpet-fields.ts';
import { namedFields } from './named-fields.ts';

/**
 * What becomes of a request field on its way to the backend, by HeaderId: 0 passed on as it is, 1 dropped, 2 looked at,
 * 3 see `traceFate`, 4 passed on when a trusted proxy has sent it. Framing fields have one owner: this file writes
 * them, whatever came (behaviours 51 to 53).
 */
const FATE = new Uint8Array(64);
for (const id of [
  HeaderId.alias,
  ...CONNECTION_FIELD_IDS,
  HeaderId.proxyAuthenticate,
  HeaderId.proxyAuthorization,
  HeaderId.xForwardedFor,
  HeaderId.xForwardedProto,
  HeaderId.xForwardedHost,
  HeaderId.forwarded,
  HeaderId.xRequestId,
  ...LIMPET_FIELD_IDS,
]) {
  FATE[id] = 1;
}
FATE[HeaderId.host] = 2;
FATE[HeaderId.contentLength] = 2;
FATE[HeaderId.cookie] = 2;
FATE[HeaderId.maxForwards] = 2;
FATE[HeaderId.traceparent] = 3;
FATE[HeaderId.tracestate] = 3;
FATE[HeaderId.claim] = 4;

/** What is more is no path that a message could take. */
const MOST_FORWARDS = 1_000_000;

/**
 * The head that goes to the backend: the client's lines in their order and number (behaviour 66), then limpet's.
 * @param tail what ends the head: CRLF, the lines about the session, the empty line
 */
export function requestHead(x: Exchange, head: Head, backend: Backend, cookies: CookieNames, tail: string): string {
  const text = head.text;
  const hop = (head.connection & ConnectionToken.named) === 0 ? null : namedFields(head);
  const named = x.strippedFields === null ? hop : hop === null ? x.strippedFields : hop.union(x.strippedFields);
  // The usual request line goes on as it came; HTTP/1.0 and absolute form are written anew.
  const usual = head.plainVersion && head.authorityEnd === 0;
  let out = usual ? '' : `${head.method} ${head.originForm} HTTP/1.1\r\n`;
  let run = usual ? 0 : head.fieldsStart;
  let runEnd = head.fieldsStart;
  for (let i = 0; i < head.count; i++) {
    let fate = FATE[head.id(i)]!;
    if (fate === 3) fate = traceFate(x, head.id(i));
    else if (fate === 4) fate = x.client.trusted ? 0 : 1;
    const end = head.lineEnd(i);
    if (fate === 0 && (named === null || !named.has(head.name(i).toLowerCase()))) {
      runEnd = end;
      continue;
    }
    let line: string | null = '';
    if (fate === 2) line = changedLine(head, i, cookies);
    if (line === null) {
      runEnd = end;
      continue;
    }
    if (runEnd > run) out += text.slice(run, runEnd);
    out += line;
    run = end;
    runEnd = end;
  }
  if (runEnd > run) out += text.slice(run, runEnd);
  if (head.host === '' || head.hostLine < 0)
    out += `Host: ${head.authorityEnd > 0 ? head.host : backend.authority}\r\n`;
  if (head.framing === Framing.chunked) out += 'Transfer-Encoding: chunked\r\n';
  if (x.upgrade !== '') out += `Connection: upgrade\r\nUpgrade: ${x.upgrade}\r\n`;
  if (head.teTrailers) out += 'TE: trailers\r\n';
  if (x.trace !== null) out += x.trace.line;
  // Few and flat pieces: the string is put together when it is written, and each piece costs.
  return out + x.client.forwardedLines() + x.requestIdLine + tail;
}

/**
 * Where requests are traced, `traceparent` is written anew; `tracestate` goes on with the trace that it belongs to (W3C
 * Trace Context, section 3.4).
 */
function traceFate({ trace }: Exchange, id: number): number {
  if (trace === null) return 0;
  return id === HeaderId.tracestate && trace.continues ? 0 : 1;
}

/** What becomes of line i, one that is looked at. Null: it stays as it is. */
function changedLine(head: Head, i: number, cookies: CookieNames): string | null {
  switch (head.id(i)) {
    case HeaderId.host:
      return hostLine(head);
    case HeaderId.contentLength:
      return head.plainLength ? null : `Content-Length: ${head.contentLength}\r\n`;
    case HeaderId.maxForwards:
      return maxForwardsLine(head, i);
    default:
      return cookieLine(head, i, cookies);
  }
}

/**
 * Null: as it is. The authority of an absolute-form target replaces Host (RFC 9112 3.2.2), that of the backend an empty
 * one.
 */
function hostLine(head: Head): string | null {
  if (head.authorityEnd > 0) return `Host: ${head.host}\r\n`;
  return head.hostValue === '' ? '' : null;
}

/** Null: as it is. limpet's own cookies stay here (behaviour 8). */
function cookieLine(head: Head, i: number, cookies: CookieNames): string | null {
  if (cookies.none) return null;
  const { text } = head;
  const start = head.valueStart(i);
  const end = head.valueEnd(i);
  const rest = stripCookies(text, start, end, cookies.in(text, start, end));
  if (rest === null) return null;
  return rest === '' ? '' : `${head.name(i)}: ${rest}\r\n`;
}

/**
 * Null: as it is. Of the two methods that it is for one forward fewer is left (RFC 9110 7.6.2); none left does not come
 * here.
 */
function maxForwardsLine(head: Head, i: number): string | null {
  if (head.method !== 'TRACE' && head.method !== 'OPTIONS') return null;
  const value = head.value(i);
  return /^\d+$/.test(value) ? `Max-Forwards: ${Math.min(Number(value), MOST_FORWARDS) - 1}\r\n` : null;
}
