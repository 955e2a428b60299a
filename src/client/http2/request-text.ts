import { CONNECTION_FIELDS } from '../../http1/connection-fields.ts';

/** What becomes of the header list of a request. */
export interface RequestText {
  /** The head in HTTP/1.1. */
  text: string;
  method: string;
  /** The body follows in chunked coding: its length is not known. */
  chunked: boolean;
  /** An extended CONNECT that asks for a WebSocket (RFC 8441). */
  websocket: boolean;
}

/** Of a WebSocket: limpet is the client of that handshake, and HTTP/2 has none (RFC 8441 5). */
const HANDSHAKE = new Set(['sec-websocket-key', 'sec-websocket-accept', 'content-length']);

/** Methods whose requests are expected to have a body: of none they say so (RFC 9110 8.6). */
const WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/**
 * Writes the header list of a request as a head of HTTP/1.1 (RFC 9113 8.3.1) into `into`. Which bytes are allowed in it
 * is for the parser to say that reads it next.
 * @param raw names and values by turns, as they came
 * @param whole the request has no body
 * @param key Sec-WebSocket-Key, should it be an extended CONNECT
 */
export function requestText(raw: readonly string[], whole: boolean, key: () => string, into: RequestText): void {
  let method = '';
  let path = '';
  let authority = '';
  let protocol = '';
  let scheme = 'http';
  let host = '';
  let cookies = '';
  let length = false;
  let fields = '';
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    switch (name) {
      case ':method':
        method = value;
        break;
      case ':path':
        path = value;
        break;
      case ':authority':
        authority = value;
        break;
      case ':protocol':
        protocol = value;
        break;
      case ':scheme':
        if (value === 'https') scheme = value;
        break;
      case 'host':
        // Two of them: the parser says no to the comma.
        host = host === '' ? value : `${host},${value}`;
        break;
      case 'cookie':
        // Crumbs are put together again before anybody looks for a key (RFC 9113 8.2.3, behaviour 7).
        cookies = cookies === '' ? value : `${cookies}; ${value}`;
        break;
      default:
        // nghttp2 refuses these of a client; that they cannot frame a request of HTTP/1.1 does not hang on it.
        if ((CONNECTION_FIELDS.has(name) && name !== 'te') || (protocol !== '' && HANDSHAKE.has(name))) break;
        if (name === 'content-length') length = true;
        fields += `${name}: ${value}\r\n`;
        break;
    }
  }
  into.method = method;
  into.chunked = false;
  into.websocket = false;
  let target = path;
  if (authority === '') authority = host;
  else if (host !== '' && host !== authority) {
    // RFC 9113 8.3.1: the authority wins, and a Host that says something else is refused. In absolute form that is the
    // parser's decision.
    target = `${scheme}://${authority}${path}`;
    authority = host;
  }
  const hostLine = authority === '' ? '' : `Host: ${authority}\r\n`;
  const cookieLine = cookies === '' ? '' : `cookie: ${cookies}\r\n`;
  if (method === 'CONNECT') {
    if (protocol.toLowerCase() !== 'websocket') {
      // Neither a tunnel through limpet nor a protocol it knows: refused by the handler (behaviour 67).
      into.text = `CONNECT ${authority} HTTP/1.1\r\n${hostLine}${fields}\r\n`;
      return;
    }
    into.websocket = true;
    into.method = 'GET';
    into.text = `GET ${target} HTTP/1.1\r\n${hostLine}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key()}\r\n${fields}${cookieLine}\r\n`;
    return;
  }
  let framing = '';
  if (!whole && !length) {
    into.chunked = true;
    framing = 'Transfer-Encoding: chunked\r\n';
  } else if (!length && WITH_BODY.has(method)) framing = 'content-length: 0\r\n';
  into.text = `${method} ${target} HTTP/1.1\r\n${hostLine}${framing}${fields}${cookieLine}\r\n`;
}
