import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';
import { EVERY_METHOD } from './error-answer.ts';

/**
 * What a TRACE shows of the fields that it came with: where it has been, and nothing that a field might keep secret
 * (RFC 9110 9.3.8).
 */
const SHOWN = new Set<number>([
  HeaderId.host,
  HeaderId.via,
  HeaderId.maxForwards,
  HeaderId.userAgent,
  HeaderId.accept,
  HeaderId.te,
  HeaderId.connection,
  HeaderId.upgrade,
]);

/** Whether a request is not to go any further: TRACE or OPTIONS with `Max-Forwards: 0` (RFC 9110 7.6.2). */
export function isFinalRecipient(head: Head): boolean {
  for (let i = head.findId(HeaderId.maxForwards); i >= 0; i = head.findId(HeaderId.maxForwards, i + 1)) {
    if (/^0+$/.test(head.value(i))) return true;
  }
  return false;
}

/**
 * The answer to such a request. @param lines of the head, each with CRLF
 */
export function finalRecipientAnswer(head: Head, lines: string): string {
  if (head.method !== 'TRACE') return `HTTP/1.1 200 OK\r\nAllow: ${EVERY_METHOD}\r\nContent-Length: 0\r\n${lines}\r\n`;
  let body = `TRACE ${head.originForm} HTTP/1.${head.minor}\r\n`;
  for (let i = 0; i < head.count; i++) {
    if (SHOWN.has(head.id(i))) body += head.text.slice(head.nameStart(i), head.lineEnd(i));
  }
  body += '\r\n';
  return `HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: ${body.length}\r\nCache-Control: no-store\r\n${lines}\r\n${body}`;
}
