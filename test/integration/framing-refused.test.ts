import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { BackendConnection } from '../support/raw-backend.ts';
import { ok, RawPair, reply } from '../support/raw-pair.ts';
import { assertError, assertUnharmed, closeOf, firstResponse } from './refusals.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: shop.example\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

/** Request fields that are refused, each a case of behaviour 53. */
const BAD_FIELDS: Readonly<Record<string, string>> = {
  'Content-Length with Transfer-Encoding': 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
  'Transfer-Encoding with Content-Length': 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n',
  'Content-Lengths that differ': 'Content-Length: 5\r\nContent-Length: 6\r\n',
  'Content-Length +5': 'Content-Length: +5\r\n',
  'Content-Length 5 5': 'Content-Length: 5 5\r\n',
  'Content-Length 0x5': 'Content-Length: 0x5\r\n',
  'a list of Content-Lengths': 'Content-Length: 5, 5\r\n',
  'Transfer-Encoding gzip, chunked': 'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding identity': 'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding with a vertical tab': 'Transfer-Encoding: \x0bchunked\r\n',
  'two Transfer-Encodings': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n',
  'two Hosts': 'Host: shop.example\r\n',
  'a NUL in a value': 'X-A: b\0c\r\n',
  'a control byte in a value': 'X-A: b\x01c\r\n',
  'a control byte in a name': 'X-\x01A: b\r\n',
  'white space before the colon': 'Content-Length : 5\r\n',
  'a folded line': 'X-A: b\r\n Content-Length: 5\r\n',
  'a bare CR': 'X-A: b\rContent-Length: 5\r\n',
  'a bare LF': 'X-A: b\nContent-Length: 5\r\n',
  'a name that is not a token': 'X A: b\r\n',
  'an empty name': ': b\r\n',
};

/** Whole heads that are refused. */
const BAD_HEADS: Readonly<Record<string, string>> = {
  'no Host': 'GET / HTTP/1.1\r\n\r\n',
  'an invalid Host': 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
  'a Host with a path': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'an absolute target whose authority differs from Host': 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n',
  'an absolute target of another scheme': 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'Transfer-Encoding on HTTP/1.0': 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a folded first line': 'GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n',
  'bare LF everywhere': 'GET / HTTP/1.1\nHost: a\n\n',
  'a method that is not a token': 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n',
  'version HTTP/2.0': 'GET / HTTP/2.0\r\nHost: a\r\n\r\n',
  'version HTTP/0.9': 'GET /\r\n\r\n',
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a control byte in the target': 'GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a byte above ASCII in the target': 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n',
  'a space in the target': 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n',
  'a bare CR before the request line': '\rGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'a TLS ClientHello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
};

/** Chunked bodies that are refused. */
const BAD_CHUNKS: Readonly<Record<string, string>> = {
  'a chunk size that is not hex': 'g\r\n',
  'a chunk size 0x5': '0x5\r\nhello\r\n0\r\n\r\n',
  'a chunk size +5': '+5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with white space': '5 \r\nhello\r\n0\r\n\r\n',
  'a chunk size that overflows 64 bits': '10000000000000005\r\nhello\r\n0\r\n\r\n',
  'a negative chunk size': '-5\r\nhello\r\n0\r\n\r\n',
  'an empty chunk size': '\r\nhello\r\n0\r\n\r\n',
  'a size line that ends in LF': '5\nhello\r\n0\r\n\r\n',
  'a size line with a bare CR': '5\rX\r\nhello\r\n0\r\n\r\n',
  'chunk data that is not followed by CRLF': '5\r\nhelloX\r\n0\r\n\r\n',
  'chunk data followed by LF': '5\r\nhello\n0\r\n\r\n',
  'chunk data shorter than its size': '6\r\nhello\r\n0\r\n\r\n',
  'a malformed extension': '5;\r\nhello\r\n0\r\n\r\n',
  'a bare LF in the trailers': '0\r\nX-A: b\n\r\n',
  'a control byte in the trailers': '0\r\nX-A: b\0\r\n\r\n',
};

describe('53: requests that are refused', () => {
  const pair = RawPair.inSuite();

  /**
   * Sends `text`; it is answered with `status` and the connection ends; the backend gets nothing but the request that
   * is sent after it.
   */
  async function assertRefused(text: string, status = 400, code = 'BAD_REQUEST'): Promise<void> {
    for (const connection of pair.backend.connections) connection.text = '';
    const client = await pair.open();
    client.send(text);
    assertError(await client.end(), status, code, true);
    client.socket.end();
    await pair.exchange(`GET /behind HTTP/1.1\r\nHost: shop.example\r\n\r\n`);
    assert.match(pair.backend.text, /^GET \/behind HTTP\/1\.1\r\n/);
    assert.equal(pair.backend.text.match(/ HTTP\/1\.1\r\n/g)?.length, 1);
  }

  for (const [name, fields] of Object.entries(BAD_FIELDS)) {
    test(`53: ${name}`, () => assertRefused(`${POST}${fields}\r\nhello`));
  }
  for (const [name, head] of Object.entries(BAD_HEADS)) {
    test(`53: ${name}`, () => assertRefused(head));
  }
  for (const [name, body] of Object.entries(BAD_CHUNKS)) {
    test(`53: ${name}, in one packet with the head`, () => assertRefused(CHUNKED + body));
  }

  test('55: the answer to HEAD has no body, even when the request is refused', async () => {
    const client = await pair.open();
    client.send('HEAD / HTTP/1.1\r\n\r\n');
    const text = await client.end();
    assert.match(text, /^HTTP\/1\.1 400 /);
    assert.ok(text.endsWith('\r\n\r\n'), text);
  });

  test('53: a target in absolute form goes on in origin form, and Host is what it says', async () => {
    await pair.exchange('GET HTTP://Shop.Example:80?a=b HTTP/1.1\r\nX-A: 1\r\nHost: shop.example\r\nX-B: 2\r\n\r\n');
    assert.ok(pair.backend.text.startsWith('GET /?a=b HTTP/1.1\r\nX-A: 1\r\nHost: Shop.Example:80\r\nX-B: 2\r\n'));
    assert.equal(pair.backend.text.match(/^host:/gim)?.length, 1);
  });

  test('51, 53: Connection cannot name framing away, nor Host', async () => {
    pair.answer = ({ text, socket }) => {
      if (/hello(?:\r\n0\r\n\r\n)?$/.test(text)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const names = 'Connection: content-length, Transfer-Encoding, HOST\r\n';
    await pair.exchange(`${POST}${names}Content-Length: 5\r\n\r\nhello`);
    await pair.exchange(`${POST}${names}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`);
    const { text } = pair.backend;
    assert.match(text, /^Content-Length: 5\r$/m);
    assert.match(text, /^Transfer-Encoding: chunked\r$/m);
    assert.equal(text.match(/^Host: shop\.example\r$/gm)?.length, 2);
    pair.answer = reply(
      'HTTP/1.1 200 OK\r\nConnection: Content-Length, Transfer-Encoding\r\nContent-Length: 2\r\n\r\nok',
    );
    assert.match(await pair.exchange(`${GET}\r\n`), /^Content-Length: 2\r$/m);
  });

  test('53: a request line over the limit gets 414, header fields over it or too many get 431', async () => {
    await assertRefused(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414, 'URI_TOO_LONG');
    await assertRefused(`GET /${'a'.repeat(20_000)}`, 414, 'URI_TOO_LONG');
    await assertRefused(`\r\n\r\nGET /${'a'.repeat(20_000)}`, 414, 'URI_TOO_LONG');
    await assertRefused(`${GET}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE');
    await assertRefused(`${GET}X-A: ${'a'.repeat(20_000)}`, 431, 'HEADERS_TOO_LARGE');
    await assertRefused(`${GET}${'X-A: b\r\n'.repeat(100)}\r\n`, 431, 'HEADERS_TOO_LARGE');
    await assertRefused('\r\n'.repeat(10_000), 414, 'URI_TOO_LONG');
  });

  test('53: a head of exactly the limit is taken, one byte more is not', async () => {
    const fill = (size: number): string => {
      const head = `${GET}X-A: \r\n\r\n`;
      return head.replace('X-A: ', `X-A: ${'a'.repeat(size - head.length)}`);
    };
    assert.match(await pair.exchange(fill(16_384)), /^HTTP\/1\.1 200 /);
    await assertRefused(fill(16_385), 431, 'HEADERS_TOO_LARGE');
  });

  test('53, 61: a good request before it on the same connection is answered first, what comes behind it is not looked at', async () => {
    const client = await pair.open();
    client.send(`${GET}\r\n${GET}Content-Length: x\r\n\r\n${GET}\r\n`);
    const first = firstResponse(await client.end());
    assert.match(first.head, /^HTTP\/1\.1 200 /);
    assert.equal(first.body, 'ok');
    assertError(first.rest, 400, 'BAD_REQUEST', true);
    assert.equal(pair.backend.text.match(/^GET /gm)?.length, 1);
  });

  test('60, 61: requests that came before a FIN are all answered, in their order; a head or body that it cuts short is not', async () => {
    for (const tail of ['', GET, `${POST}Content-Length: 10\r\n\r\nhello`]) {
      const client = await pair.open();
      client.socket.end(Buffer.from(`${GET}\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n${GET}Expect: x\r\n\r\n${tail}`));
      const first = firstResponse(await client.end());
      const second = firstResponse(first.rest);
      const third = firstResponse(second.rest);
      assert.deepEqual([first.body, second.body, third.rest], ['ok', 'ok', '']);
      assert.match(third.head, /^HTTP\/1\.1 417 /);
    }
  });

  for (const [name, body] of Object.entries(BAD_CHUNKS)) {
    test(`53: ${name}, after the head and a good chunk: the backend connection is cut in the middle of the request`, async () => {
      const got = Promise.withResolvers<BackendConnection>();
      pair.answer = (connection) => {
        if (connection.text.endsWith('first\r\n')) got.resolve(connection);
      };
      const client = await pair.open();
      client.send(`${CHUNKED}5\r\nfirst\r\n`);
      const backend = await got.promise;
      const closed = closeOf(backend.socket);
      client.send(body);
      assertError(await client.end(), 400, 'BAD_REQUEST', true);
      await closed;
      assert.match(backend.text, /\r\n\r\n5\r\nfirst\r\n/);
      assert.doesNotMatch(backend.text, /\r\n0+\r\n/, 'the backend got a last chunk');
      pair.answer = ok;
      assert.match(await pair.exchange(`${GET}\r\n`), /^HTTP\/1\.1 200 /);
    });
  }

  test('53: of a bad chunk behind good ones in one packet nothing reaches the backend', () =>
    assertRefused(`${CHUNKED}5\r\nfirst\r\n5\r\nhelloX`));

  after(() => assertUnharmed(pair));
});
