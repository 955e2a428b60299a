import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import type { BackendConnection } from '../support/raw-backend.ts';
import { isWhole, type RawClient } from '../support/raw-client.ts';
import { ok, RawPair, reply } from '../support/raw-pair.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n';
const POST = 'POST / HTTP/1.1\r\nHost: shop.example\r\n';
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`;

/** The response at the start of `text`, and what is behind it. */
function firstResponse(text: string): { head: string; body: string; rest: string } {
  const end = text.indexOf('\r\n\r\n');
  assert.ok(end > 0, `no response in ${JSON.stringify(text)}`);
  const head = text.slice(0, end + 2);
  const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0);
  return { head, body: text.slice(end + 4, end + 4 + length), rest: text.slice(end + 4 + length) };
}

/** Holds that `text` is one error answer of limpet's own and nothing else, and that it ends the connection when `closes`. */
function assertError(text: string, status: number, code: string, closes: boolean): void {
  const { head, body, rest } = firstResponse(text);
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(text));
  assert.match(head, new RegExp(`^Limpet-Error: ${code}\\r$`, 'm'));
  if (closes) assert.match(head, /^Connection: close\r$/m);
  assert.ok(body.includes(code));
  assert.equal(rest, '');
}

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
  'Transfer-Encoding with a tab': 'Transfer-Encoding:\tchunked\r\n',
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
  'an empty Host': 'GET / HTTP/1.1\r\nHost:\r\n\r\n',
  'an invalid Host': 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
  'a Host with a path': 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n',
  'an absolute target whose authority differs from Host': 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n',
  'an absolute target of another scheme': 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n',
  'Transfer-Encoding on HTTP/1.0': 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a folded first line': 'GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n',
  'bare LF everywhere': 'GET / HTTP/1.1\nHost: a\n\n',
  'a method that is not a token': 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n',
  'version HTTP/1.2': 'GET / HTTP/1.2\r\nHost: a\r\n\r\n',
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

  /** Sends `text`; it is answered with `status` and the connection ends; the backend gets nothing but the request that is sent after it. */
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

/** Backend answers that are refused, each a case of behaviours 54 and 72. */
const BAD_RESPONSES: Readonly<Record<string, string>> = {
  garbage: 'garbage\r\n\r\n',
  'a page without a head': '<html><body>hello</body></html>\r\n\r\n',
  'an empty line first': '\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'version HTTP/2.0': 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'protocol ICE': 'ICE/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok',
  'a status below 100': 'HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok',
  'bare LF everywhere': 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'a bare LF behind a field': 'HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 2\r\n\r\nok',
  'a bare CR in a field': 'HTTP/1.1 200 OK\r\nX-A: b\rX-B: c\r\nContent-Length: 2\r\n\r\nok',
  'a control byte in the reason phrase': 'HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in the reason phrase': 'HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok',
  'an escape sequence in a value': 'HTTP/1.1 200 OK\r\nX-A: \x1b[2J\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in a value': 'HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok',
  'a NUL in a name': 'HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 2\r\n\r\nok',
  'a name with a space': 'HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok',
  'white space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok',
  'a folded line': 'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok',
  'Content-Length with Transfer-Encoding':
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  'Content-Lengths that differ': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
  'Content-Length +2': 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok',
  'a list of Content-Lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok',
  'Transfer-Encoding gzip, chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'Transfer-Encoding with a tab': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n',
  'a chunk size that is not hex': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
  'a chunk size that overflows': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
  'a chunk size with white space': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n',
  'chunk data that is not followed by CRLF':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n',
  'a malformed trailer section': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX : y\r\n\r\n',
  'a 101 that nobody asked for':
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
  'a malformed head behind a 100': 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200\tOK\r\n\r\n',
  'a head without end': `HTTP/1.1 200 OK\r\n${`X-A: ${'a'.repeat(1_000)}\r\n`.repeat(300)}`,
  'too many fields': `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(1_001)}\r\n`,
};

describe('54, 72: responses that are refused', () => {
  const pair = RawPair.inSuite();

  for (const [name, response] of Object.entries(BAD_RESPONSES)) {
    test(`54, 72: ${name}: 502, and the connection to the backend is not used again`, async () => {
      const answered = Promise.withResolvers<BackendConnection>();
      pair.answer = (connection) => {
        reply(response)(connection);
        answered.resolve(connection);
      };
      const client = await pair.open();
      client.send(`${GET}\r\n`);
      const backend = await answered.promise;
      const closed = closeOf(backend.socket);
      const text = withoutInterim(await client.until((all) => isWhole(withoutInterim(all))));
      assertError(text, 502, 'BACKEND_PROTOCOL', false);
      await closed;
      // The client's connection is sound; the next request goes out on another connection and gets its own answer.
      pair.answer = ok;
      const before = client.text.length;
      client.send(`${GET}\r\n`);
      await client.until((all) => isWhole(all.slice(before)));
      assert.match(client.text.slice(before), /^HTTP\/1\.1 200 OK\r\n/);
      assert.doesNotMatch(client.text, /evil/);
    });
  }

  test('54: a bad chunk after the client has part of the response: the connection is cut, without a last chunk (64)', async () => {
    const sent = Promise.withResolvers<BackendConnection>();
    pair.answer = (connection) => {
      connection.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
      sent.resolve(connection);
    };
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    const backend = await sent.promise;
    await client.until((text) => text.endsWith('first\r\n'));
    const closed = closeOf(backend.socket);
    backend.socket.write('5\r\nhelloX\r\n0\r\n\r\n');
    await client.end();
    await closed;
    assert.ok(!client.text.includes('\r\n0\r\n'), client.text);
  });

  test('72: a 101 that was asked for but names another protocol is relayed as it is', async () => {
    pair.answer = reply('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\nhello');
    const client = await pair.open();
    client.send(`${GET}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const text = await client.until((all) => all.endsWith('hello'));
    assert.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(text, /^Upgrade: other\r$/im);
  });

  test('54: a 101 before the request is whole is refused', async () => {
    pair.answer = reply('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    const client = await pair.open();
    client.send(`${POST}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 10\r\n\r\nhello`);
    assertError(await client.end(), 502, 'BACKEND_PROTOCOL', true);
  });

  after(() => assertUnharmed(pair));
});

const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';

describe('54: bytes behind a response', () => {
  const pair = RawPair.inSuite();

  /** Sends `request`, which is answered with `response`, and settles with what the client got and the connection that the backend got it on. */
  async function answered(
    request: string,
    response: string,
  ): Promise<{ client: RawClient; backend: BackendConnection }> {
    const got = Promise.withResolvers<BackendConnection>();
    pair.answer = (connection) => {
      reply(response)(connection);
      got.resolve(connection);
    };
    const client = await pair.open();
    client.send(request);
    const backend = await got.promise;
    pair.answer = ok;
    return { client, backend };
  }

  /** The next request, of any client, gets its own answer on a connection other than `backend`. */
  async function assertNotDelivered(client: RawClient, backend: BackendConnection): Promise<void> {
    await closeOf(backend.socket);
    backend.text = '';
    const before = client.text.length;
    client.send(`${GET}\r\n`);
    const other = await pair.exchange(`${GET}\r\n`);
    await client.until((text) => isWhole(text.slice(before)));
    for (const text of [other, client.text.slice(before)]) {
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
      assert.ok(text.endsWith('\r\n\r\nok'), text);
    }
    assert.equal(backend.text, '');
    assert.doesNotMatch(client.text, /evil/);
  }

  const behind: Readonly<Record<string, readonly [request: string, response: string]>> = {
    'a response with Content-Length': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    'a chunked response': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    'a response without a body': [`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
    'a response to HEAD': [
      `HEAD / HTTP/1.1\r\nHost: a\r\n\r\n`,
      `HTTP/1.1 200 OK\r\nContent-Length: ${EVIL.length}\r\n\r\n`,
    ],
    'a 204': [`${GET}\r\n`, `HTTP/1.1 204 No Content\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    'a 304': [`${GET}\r\n`, `HTTP/1.1 304 Not Modified\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    'a 304 with Transfer-Encoding': [`${GET}\r\n`, 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n'],
  };
  for (const [name, [request, response]] of Object.entries(behind)) {
    test(`54: a second response in one packet behind ${name} is the answer to nobody`, async () => {
      const { client, backend } = await answered(request, response + EVIL);
      await client.until((text) => text.includes('\r\n\r\n'));
      await assertNotDelivered(client, backend);
    });

    test(`54: a second response some time after ${name} is the answer to nobody`, async () => {
      const { client, backend } = await answered(request, response);
      await client.until((text) => text.includes('\r\n\r\n') && !text.endsWith('2\r\n'));
      backend.socket.write(EVIL);
      await assertNotDelivered(client, backend);
    });
  }

  test('54: a response that ends its connection, or a 204 or 304 that announces a body: the connection is not used again', async () => {
    for (const head of [
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n',
      'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n',
      'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n',
      'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n',
      'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n',
    ]) {
      const { client, backend } = await answered(`${GET}\r\n`, `${head}\r\n`);
      await client.until((text) => text.includes('\r\n\r\n'));
      await assertNotDelivered(client, backend);
    }
  });

  test('54: a response that comes before any request is the answer to nobody', async () => {
    const { client, backend } = await answered(`${GET}\r\n`, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await client.until(isWhole);
    backend.socket.write('HTTP/1.1 200 OK\r\nContent-Le');
    await assertNotDelivered(client, backend);
  });

  test('54: a value that a backend took from elsewhere splits no response', async () => {
    const { client } = await answered(
      `${GET}\r\n`,
      `HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n${EVIL}\r\nContent-Length: 0\r\n\r\n`,
    );
    await client.until((text) => text.includes('\r\n\r\n'));
    assert.match(client.text, /^HTTP\/1\.1 302 Found\r\n/);
    assert.doesNotMatch(client.text, /evil/);
    assert.match(await pair.exchange(`${GET}\r\n`), /\r\n\r\nok$/);
  });

  after(() => assertUnharmed(pair));
});

/** The final response of `text`, without the 1xx responses before it. */
function withoutInterim(text: string): string {
  return text.replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '');
}

/**
 * Settles when limpet has closed this connection, however it did. At once: sooner than a connection closes that has
 * just been idle for too long.
 */
async function closeOf(socket: Socket): Promise<void> {
  if (socket.closed) return;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error('limpet has not closed the connection to the backend')), 2_000);
  socket.once('close', () => resolve());
  await promise.finally(() => clearTimeout(timer));
}

/** 69: nothing of all this ended a worker or was a defect. */
function assertUnharmed(pair: RawPair): void {
  assert.deepEqual(
    pair.limpet.log.filter(({ level, worker }) => level === 'error' || level === 'fatal' || worker !== undefined),
    [],
  );
}
