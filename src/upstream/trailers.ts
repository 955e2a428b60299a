import { CONNECTION_FIELD_IDS } from '../http1/connection-fields.ts';
import { Head, Parse } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { LIMPET_FIELD_IDS } from '../http1/limpet-fields.ts';

/** Fields that must not come in a trailer: framing, routing, authentication, cookies (RFC 9110 6.5.1, behaviour 58). */
const REFUSED = new Set<number>([
  HeaderId.alias,
  HeaderId.host,
  ...CONNECTION_FIELD_IDS,
  HeaderId.contentLength,
  HeaderId.cookie,
  HeaderId.setCookie,
  HeaderId.expect,
  HeaderId.proxyAuthenticate,
  HeaderId.proxyAuthorization,
  HeaderId.wwwAuthenticate,
  HeaderId.trailer,
  HeaderId.xForwardedFor,
  HeaderId.xForwardedProto,
  HeaderId.xForwardedHost,
  HeaderId.forwarded,
  HeaderId.via,
  HeaderId.xRequestId,
  ...LIMPET_FIELD_IDS,
  HeaderId.maxForwards,
  HeaderId.cacheControl,
  HeaderId.authorization,
  HeaderId.contentEncoding,
  HeaderId.contentType,
  HeaderId.contentRange,
  HeaderId.claim,
]);

/**
 * The lines of a trailer section that are passed on.
 * @param section field lines and the empty line, as the chunked decoder read them
 * @returns lines with their CRLFs, '' for none, null when the section is malformed
 */
export function trailerLines(section: string, maxFields: number): string | null {
  if (section === '\r\n') return '';
  const head = new Head(maxFields);
  if (head.parseTrailers(Buffer.from(section, 'latin1')) !== Parse.done) return null;
  let lines = '';
  for (let i = 0; i < head.count; i++) {
    if (!REFUSED.has(head.id(i))) lines += head.text.slice(head.nameStart(i), head.lineEnd(i));
  }
  return lines;
}
