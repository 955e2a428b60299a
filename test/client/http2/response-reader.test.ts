import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseReader, type ResponseSink } from '../../../src/client/http2/response-reader.ts';
import type { Head } from '../../../src/http1/head.ts';

/** What a reader has found, one word an event. */
function read(method: string, pieces: readonly string[]): string[] {
  const seen: string[] = [];
  const sink: ResponseSink = {
    onInterim: (head: Head) => seen.push(`interim ${head.status}`),
    onSwitch: () => seen.push('switch'),
    onHead: (head, whole, open) => seen.push(`head ${head.status}${whole ? ' whole' : ''}${open ? ' open' : ''}`),
    onData: (piece, last) => seen.push(`data ${piece.toString('latin1')}${last ? ' last' : ''}`),
    onTrailers: (section) => seen.push(`trailers ${JSON.stringify(section)}`),
    onMalformed: () => seen.push('malformed'),
  };
  const reader = new ResponseReader(sink);
  reader.reset(method);
  for (const piece of pieces) reader.feed(Buffer.from(piece, 'latin1'));
  seen.push(reader.done ? 'done' : 'more');
  return seen;
}

const HEAD = 'HTTP/1.1 200 OK\r\n';

test('a response with a length', () => {
  assert.deepEqual(read('GET', [`${HEAD}Content-Length: 5\r\n\r\nab`, 'cde']), [
    'head 200',
    'data ab',
    'data cde last',
    'done',
  ]);
  assert.deepEqual(read('GET', [`${HEAD}Content-Length: 0\r\n\r\n`]), ['head 200 whole', 'done']);
  assert.deepEqual(read('HEAD', [`${HEAD}Content-Length: 5\r\n\r\n`]), ['head 200 whole', 'done']);
});

test('a chunked response that is here whole needs no wait for trailers', () => {
  const chunked = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
  assert.deepEqual(read('GET', [`${chunked}2\r\nab\r\n0\r\n\r\n`]), ['head 200', 'data ab last', 'done']);
  assert.deepEqual(read('GET', [`${chunked}0\r\n\r\n`]), ['head 200 whole', 'done']);
});

test('behaviour 58: trailers are found, in one piece or in several', () => {
  const chunked = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
  const trailers = 'trailers "x-a: 1\\r\\n\\r\\n"';
  assert.deepEqual(read('GET', [`${chunked}2\r\nab\r\n0\r\nx-a: 1\r\n\r\n`]), [
    'head 200 open',
    'data ab',
    trailers,
    'done',
  ]);
  assert.deepEqual(read('GET', [chunked, '2\r\na', 'b\r\n0\r\nx-a:', ' 1\r\n\r\n']), [
    'head 200 open',
    'data a',
    'data b',
    trailers,
    'done',
  ]);
});

test('behaviour 56: 1xx responses come before the final one, in their order', () => {
  assert.deepEqual(
    read('GET', [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early',
      ' Hints\r\n\r\n',
      `${HEAD}Content-Length: 0\r\n\r\n`,
    ]),
    ['interim 100', 'interim 103', 'head 200 whole', 'done'],
  );
});

test('behind a 101 nothing is read as a response', () => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';
  assert.deepEqual(read('GET', [`${head}HTTP/1.1 `, '200']), ['switch', 'data HTTP/1.1 ', 'data 200', 'more']);
});

test('behaviour 64: what is not whole is never told as the end', () => {
  assert.deepEqual(read('GET', [`${HEAD}Content-Length: 5\r\n\r\nabcd`]), ['head 200', 'data abcd', 'more']);
  assert.equal(read('GET', [`${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`]).at(-1), 'more');
});
