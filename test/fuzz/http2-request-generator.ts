import { edited } from './edits.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A request of HTTP/2 as frames say it: right, or nearly. */
export interface Http2Request {
  readonly fields: readonly (readonly [string, string])[];
  /** What the DATA frames bring; empty: END_STREAM comes with the fields. */
  readonly data: readonly string[];
  /** END_STREAM comes with the last of them; otherwise it does not come. */
  readonly ends: boolean;
}

/** Bodies that spell something. */
const DATA = [
  'hello',
  '',
  'POST /hidden HTTP/1.1\r\nHost: x.test\r\nContent-Length: 0\r\n\r\n',
  '0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x.test\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '\r\n',
  '\0\xff',
];
const METHODS = ['GET', 'POST', 'PUT', 'OPTIONS', 'TRACE', 'DELETE', 'CONNECT', 'LOCK', 'get', 'P OST'];
const PATHS = ['/', '/a?b=c', '*', '/%20', '//', '', 'x', '/a b', '/a\r\nX: y', '/#f', 'http://x.test/', '/\xe9'];
const AUTHORITIES = ['x.test', 'x.test:80', '', 'a b', 'u@x.test', 'x.test\r\n', '[::1]', '1.2.3', 'x.test/'];
const FIELDS: readonly (readonly [string, string])[] = [
  ['host', 'x.test'],
  ['host', 'other.test'],
  ['content-length', '5'],
  ['content-length', '0'],
  ['content-length', '+5'],
  ['content-length', '5, 5'],
  ['content-length', '05'],
  ['transfer-encoding', 'chunked'],
  ['connection', 'close'],
  ['connection', 'upgrade'],
  ['upgrade', 'websocket'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['expect', '100-continue'],
  ['cookie', 'a=1'],
  ['cookie', 'limpet=x; b=2'],
  ['x-a', 'b'],
  ['x-a', ' b '],
  ['x-a', 'b\r\nTransfer-Encoding: chunked'],
  ['x-a', 'b\nc'],
  ['x-a', 'b\0c'],
  ['X-Upper', 'b'],
  ['x a', 'b'],
  ['x:a', 'b'],
  ['', 'b'],
  ['content_length', '5'],
  ['max-forwards', '0'],
  [':path', '/again'],
  [':unknown', 'x'],
];

/** A request from numbers that look random. */
export function http2Request(random: SeededRandom): Http2Request {
  const method = random.oneIn(3) ? random.pick(METHODS) : random.pick(['GET', 'POST', 'PUT']);
  const fields: (readonly [string, string])[] = [
    [':method', method],
    [':scheme', random.oneIn(10) ? random.pick(['https', 'ftp', '']) : 'http'],
    [':path', random.oneIn(4) ? random.pick(PATHS) : '/'],
    [':authority', random.oneIn(4) ? random.pick(AUTHORITIES) : 'x.test'],
  ];
  if (method === 'CONNECT' && random.oneIn(2)) fields.push([':protocol', random.pick(['websocket', 'WebSocket', 'x'])]);
  for (let n = random.below(4); n > 0; n--) fields.push(random.pick(FIELDS));
  if (random.oneIn(4)) {
    const at = random.below(fields.length);
    const [name, value] = fields[at]!;
    if (random.oneIn(4)) fields.splice(at, 1);
    else fields[at] = random.oneIn(3) ? [edited(name, random), value] : [name, edited(value, random)];
  }
  const data: string[] = [];
  if (random.oneIn(2)) for (let n = 1 + random.below(3); n > 0; n--) data.push(random.pick(DATA));
  return { fields, data, ends: !random.oneIn(6) };
}
