import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RequestText, requestText } from '../../../src/client/http2/request-text.ts';

function textOf(raw: readonly string[], whole = true): RequestText {
  const into: RequestText = { text: '', method: '', chunked: false, websocket: false };
  requestText(raw, whole, () => 'KEY', into);
  return into;
}

const GET = [':method', 'GET', ':scheme', 'https', ':authority', 'shop.test', ':path', '/a?b'];

test('behaviour 7: cookie crumbs are joined before anybody reads them', () => {
  const { text } = textOf([...GET, 'cookie', 'a=1', 'accept', '*/*', 'cookie', 'b=2; c=3', 'cookie', 'd=4']);
  assert.equal(text, 'GET /a?b HTTP/1.1\r\nHost: shop.test\r\naccept: */*\r\ncookie: a=1; b=2; c=3; d=4\r\n\r\n');
});

test('a body without a length is chunked, one with a length is not', () => {
  const post = [':method', 'POST', ':scheme', 'http', ':authority', 'x', ':path', '/'];
  const open = textOf(post, false);
  assert.equal(open.text, 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  assert.equal(open.chunked, true);
  const known = textOf([...post, 'content-length', '5'], false);
  assert.equal(known.text, 'POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\n\r\n');
  assert.equal(known.chunked, false);
});

test('fields of a connection and framing cannot be brought in', () => {
  const smuggled = ['transfer-encoding', 'chunked', 'connection', 'x-a', 'upgrade', 'h2c', 'te', 'trailers'];
  assert.equal(textOf([...GET, ...smuggled]).text, 'GET /a?b HTTP/1.1\r\nHost: shop.test\r\nte: trailers\r\n\r\n');
});

test('a Host that differs from :authority is left to the parser, which refuses it', () => {
  assert.match(
    textOf([...GET, 'host', 'evil.test']).text,
    /^GET https:\/\/shop.test\/a\?b HTTP\/1.1\r\nHost: evil.test\r\n/,
  );
  assert.match(textOf([...GET, 'host', 'shop.test']).text, /^GET \/a\?b HTTP\/1.1\r\nHost: shop.test\r\n\r\n/);
  const two = [':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'a', 'host', 'b'];
  assert.match(textOf(two).text, /\r\nHost: a,b\r\n/);
});

test('RFC 8441: an extended CONNECT becomes the handshake of a WebSocket', () => {
  const raw = [':method', 'CONNECT', ':protocol', 'websocket', ':scheme', 'https', ':path', '/chat', ':authority', 'x'];
  const asked = textOf([...raw, 'sec-websocket-version', '13', 'sec-websocket-key', 'theirs'], false);
  assert.equal(asked.websocket, true);
  assert.equal(asked.method, 'GET');
  assert.equal(
    asked.text,
    'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: KEY\r\nsec-websocket-version: 13\r\n\r\n',
  );
});

test('behaviour 67: any other CONNECT stays one', () => {
  assert.match(
    textOf([':method', 'CONNECT', ':authority', 'x:80'], false).text,
    /^CONNECT x:80 HTTP\/1.1\r\nHost: x:80\r\n/,
  );
});
