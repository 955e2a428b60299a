import { isIP } from 'node:net';
import { Head, Parse } from '../../http1/head.ts';
import type { ExplainQuery } from './explanation.ts';

/** A request as its bytes would come. */
export interface ImaginedRequest {
  readonly head: Head;
  /** The client's connection is TLS: the address began with https. */
  readonly tls: boolean;
  /** The other end of its connection. */
  readonly peer: string;
  /** What was filled in because the question left it out. */
  readonly assumed: readonly string[];
}

/** Who asks without naming an address is taken for a program on this machine. */
const HERE = '127.0.0.1';
/** Far more than any listener takes. */
const MOST_FIELDS = 1_000;

const ADDRESS = /^(?:(https?):\/\/([^/?#]*))?([^#]*)/i;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Z-]+$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * Makes the request that a question is about, by the parser that requests go through: what it would refuse is refused
 * here.
 * @param host for a question that names none
 * @returns a sentence that says what is wrong and what is allowed, when it cannot be a request
 */
export function imagineRequest(query: ExplainQuery, host: string): ImaginedRequest | string {
  const { method, url, headers, ip } = query;
  if (!METHOD.test(method))
    return `method: ${JSON.stringify(method)} is not a method: write it in capitals, such as GET.`;
  const [, scheme = '', authority = '', rest = ''] = ADDRESS.exec(url) ?? [];
  if (scheme === '' && !rest.startsWith('/')) {
    return `url: ${JSON.stringify(url)} is not an address: write http://host/path, https://host/path or /path.`;
  }
  if (scheme !== '' && authority === '') return `url: ${JSON.stringify(url)} has no host: write http://host/path.`;
  if (ip !== null && isIP(ip) === 0)
    return `ip: ${JSON.stringify(ip)} is not an IP address such as 192.0.2.1 or 2001:db8::1.`;
  const assumed: string[] = [];
  const lines: string[] = [];
  let named = false;
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name)) return `headers: ${JSON.stringify(name)} is not the name of a header.`;
    if (name.toLowerCase() === 'host') named = true;
    for (const one of typeof value === 'string' ? [value] : value) {
      // Never in the message: it may be a token or a cookie.
      if (/[\0-\x08\n-\x1f\x7f]/.test(one))
        return `headers.${name}: the value has a control character or a line break.`;
      lines.push(`${name}: ${bytesOf(one)}`);
    }
  }
  if (!named) {
    lines.unshift(`Host: ${authority === '' ? host : bytesOf(authority)}`);
    if (authority === '') assumed.push(`Host is ${host}, as the question names none`);
  }
  if (ip === null) assumed.push(`the client is ${HERE}, as the question names no address`);
  const target = rest.startsWith('/') ? rest : `/${rest}`;
  const text = `${method} ${encodeURIPart(target)} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const head = new Head(MOST_FIELDS);
  const parsed = head.parseRequest(bytes, 0, bytes.length);
  if (parsed === Parse.tooMany) return `headers: there are more than ${MOST_FIELDS}.`;
  if (parsed !== Parse.done) return `limpet would refuse this request with 400: ${head.problem || 'it is incomplete'}.`;
  return { head, tls: scheme.toLowerCase() === 'https', peer: ip ?? HERE, assumed };
}

/**
 * What is no visible ASCII, as browsers send it; the rest stays as it is written, as routes look at how a path is
 * spelled.
 */
function encodeURIPart(target: string): string {
  return target.toWellFormed().replace(/[^!-~]+/g, encodeURI);
}

/** Text as the bytes of its UTF-8, one character each. */
function bytesOf(text: string): string {
  return Buffer.from(text, 'utf8').latin1Slice();
}
