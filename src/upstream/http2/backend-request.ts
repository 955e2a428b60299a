import { CONNECTION_FIELDS } from '../../http1/connection-fields.ts';

/** An HTTP/1.1 request head as HTTP/2 has it. */
interface BackendRequest {
  /** Names and values in turn, pseudo-header fields first (RFC 9113 8.3). */
  readonly fields: string[];
  readonly method: string;
  /** Bytes of the body; -1: chunked. */
  readonly length: number;
  /** The client takes trailers. */
  readonly trailers: boolean;
}

/**
 * Translates a request head that limpet has written itself, so that its form is known to be good.
 * @param text head with its empty line @param scheme of the connection
 */
export function backendRequest(text: string, scheme: 'http' | 'https'): BackendRequest {
  const lineEnd = text.indexOf('\r\n');
  const [method = '', target = ''] = text.slice(0, lineEnd).split(' ', 2);
  const fields = [':method', method, ':scheme', scheme, ':authority', '', ':path', target];
  let length = 0;
  let trailers = false;
  let at = lineEnd + 2;
  for (let end = text.indexOf('\r\n', at); end > at; end = text.indexOf('\r\n', at)) {
    const colon = text.indexOf(':', at);
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, end).trim();
    at = end + 2;
    if (name === 'host') fields[5] = value;
    else if (name === 'transfer-encoding') length = -1;
    else if (name === 'content-length') length = Number(value);
    else if (name === 'te') trailers = true;
    if (name === 'te' || (name !== 'host' && !CONNECTION_FIELDS.has(name))) fields.push(name, value);
  }
  return { fields, method, length, trailers };
}

/** Names and values in turn of the lines of a trailer section. @param text lines with their CRLFs and the empty line */
export function trailerFields(text: string): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const line of text.split('\r\n')) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (CONNECTION_FIELDS.has(name) || name === 'host') continue;
    const value = line.slice(colon + 1).trim();
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}
