import { METHODS } from 'node:http';
import { chunks } from './chunk-generator.ts';
import { edited } from './edits.ts';
import type { SeededRandom } from './seeded-random.ts';

/** Requests that are valid or nearly so: a grammar first, then edits to the bytes. */

const TARGETS = [
  '/',
  '/a',
  '/a/b?c=d',
  '/?',
  '//',
  '/%20',
  '/a"b',
  '/[x]|',
  '*',
  'http://a/',
  'http://a',
  'http://a?x',
  'HTTP://A:80/',
  'https://a:443/',
  'http://[::1]:8/x',
  'http://b/',
  'a:1',
  '',
  '/#f',
  'http://u@a/',
  '/\xe9',
];
const HOSTS = ['a', 'a', 'a', 'a', 'a:80', 'A', '[::1]:8', 'a.b', 'a_b', '', 'a b', 'a,b', '1.2.3.4', '1.2.3'];
const FRAMING = [
  'Content-Length: 5',
  'Content-Length: 0',
  'content-length:5',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length : 5',
  'Content-Length: 5 ',
  'Content-Length:\t5',
  'Content-Length: 0x5',
  'Content-Length: ',
  'Content_Length: 5',
  'Transfer-Encoding: chunked',
  'transfer-encoding:chunked',
  'Transfer-Encoding: Chunked ',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding: ',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding\t: chunked',
  'Transfer_Encoding: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
];
const FIELDS = [
  'Accept: */*',
  'X-Empty:',
  'X-Spaces: \t b \t c \t ',
  'X-Latin: caf\xe9 \xff',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Close , x',
  'Connection: keep-alive, close',
  'Connection: upgrade',
  'Connection: ,',
  'Upgrade: websocket',
  'Expect: 100-continue',
  'Expect: x',
  'Cookie: a=b; c="d"',
  'Cookie: e=f',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: close',
  'TE: trailers',
  'Trailer: X-Sum',
  'Host: a',
  "!#$%&'*+-.^_`|~: x",
];
/** The bytes of one to three requests on one connection, as latin1 text. */
export function requestText(random: SeededRandom): string {
  let text = '';
  for (let n = random.oneIn(3) ? 2 + random.below(2) : 1; n > 0; n--) text += oneRequest(random);
  if (random.oneIn(3)) return text;
  for (let n = 1 + random.below(3); n > 0; n--) text = edited(text, random);
  return text;
}

function oneRequest(random: SeededRandom): string {
  // Most parts are usual ones: a message with everything wrong is refused at its first byte by anybody.
  const usual = !random.oneIn(4);
  const method = usual
    ? random.pick(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS'])
    : random.pick([...METHODS, 'get', 'GETX']);
  const target = usual ? random.pick(TARGETS.slice(0, 8)) : random.pick(TARGETS);
  const version = random.oneIn(12)
    ? random.pick(['HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 '])
    : random.oneIn(6)
      ? 'HTTP/1.0'
      : 'HTTP/1.1';
  const lines: string[] = random.oneIn(20) ? [] : [`Host: ${random.oneIn(6) ? random.pick(HOSTS) : 'a'}`];
  for (let n = random.below(4); n > 0; n--) lines.push(random.pick(FIELDS));
  let body = '';
  if (random.oneIn(2)) {
    lines.push(usual ? random.pick(['Content-Length: 5', 'Transfer-Encoding: chunked']) : random.pick(FRAMING));
    if (random.oneIn(10)) lines.push(random.pick(FRAMING));
    body = /transfer/i.test(lines.at(-1)!) ? chunks(random) : 'hello';
  }
  shuffle(lines, random);
  const empty = random.oneIn(10) ? '\r\n' : '';
  return `${empty}${method} ${target} ${version}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
}

function shuffle(lines: string[], random: SeededRandom): void {
  for (let i = lines.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [lines[i], lines[j]] = [lines[j]!, lines[i]!];
  }
}
