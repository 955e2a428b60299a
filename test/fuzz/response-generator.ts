import { chunks } from './chunk-generator.ts';
import { edited } from './edits.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Responses that are valid or nearly so: a grammar first, then edits to the bytes. */

const STATUS_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 500 caf\xe9 \t!',
  'HTTP/1.1 200 ',
  'HTTP/1.1 301',
];
const ODD_STATUS_LINES = [
  'HTTP/1.2 200 OK',
  'HTTP/2.0 200 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1 20 OK',
  'HTTP/1.1 2000 OK',
  'HTTP/1.1 099 OK',
  'HTTP/1.1 200\tOK',
  'HTTP/1.1 200 O\0K',
  'HTTP/1.1 101 Switching Protocols',
  'ICE/1.0 200 OK',
  'http/1.1 200 OK',
  '',
];
const FRAMING = [
  'Content-Length: 5',
  'Content-Length: 0',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5,5',
  'Content-Length : 5',
  'Content-Length: ',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding : chunked',
];
const FIELDS = [
  'Content-Type: text/html',
  'Set-Cookie: a=b; Path=/',
  'Set-Cookie: c=d',
  'X-Empty:',
  'X-Spaces: \t b \t c \t ',
  'X-Latin: caf\xe9 \xff',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: x, Close',
  'Keep-Alive: timeout=5',
  'Upgrade: h2c',
  'Trailer: X-Sum',
  'DCLK_imp: v7;x',
];

/** The bytes of an answer, as latin1 text: 1xx responses, a final one, and at times something behind it. */
export function responseText(random: SeededRandom): string {
  let text = '';
  while (random.oneIn(6))
    text += `HTTP/1.1 ${random.pick(['100 Continue', '103 Early Hints', '102 x'])}\r\n${random.oneIn(2) ? 'Link: </a>\r\n' : ''}\r\n`;
  text += oneResponse(random);
  if (random.oneIn(8)) text += random.pick(['x', '\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']);
  if (random.oneIn(2)) return text;
  for (let n = 1 + random.below(2); n > 0; n--) text = edited(text, random);
  return text;
}

function oneResponse(random: SeededRandom): string {
  const line = random.oneIn(10) ? random.pick(ODD_STATUS_LINES) : random.pick(STATUS_LINES);
  const lines: string[] = [];
  for (let n = random.below(4); n > 0; n--) lines.push(random.pick(FIELDS));
  let body = 'hello';
  if (!random.oneIn(5)) {
    const framing = random.oneIn(4)
      ? random.pick(FRAMING)
      : random.pick(['Content-Length: 5', 'Transfer-Encoding: chunked']);
    lines.splice(random.below(lines.length + 1), 0, framing);
    if (random.oneIn(15)) lines.push(random.pick(FRAMING));
    if (/transfer/i.test(framing)) body = chunks(random);
  }
  if (random.oneIn(8)) body = body.slice(0, random.below(body.length));
  return `${line}\r\n${lines.map((field) => `${field}\r\n`).join('')}\r\n${body}`;
}
