/**
 * What is taken although it is not in plain form goes on in plain form: framing fields in digits, without white space.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { isWhole } from '../support/raw-client.ts';
import { RawPair, reply } from '../support/raw-pair.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n';

describe('F11: responses', () => {
  const pair = RawPair.inSuite('affinity: []', 'listeners: [{ bind: "127.0.0.1:0", h2c: true }]');
  let http2: ClientHttp2Session;
  before(() => {
    http2 = connect(pair.limpet.url);
  });
  after(() => http2.destroy());

  /** The body as a client of HTTP/2 gets it. */
  async function overHttp2(): Promise<{ headers: IncomingHttpHeaders; body: string }> {
    const stream = http2.request({ ':path': '/' });
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    let body = '';
    stream.setEncoding('latin1').on('data', (piece: string) => {
      body += piece;
    });
    await once(stream, 'close');
    return { headers, body };
  }

  const HEAD = 'HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\n';
  for (const [says, sent, plain, body] of [
    [
      'chunk sizes padded with spaces',
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0003   \r\nyes\r\n0  \r\n\r\n`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nyes\r\n0\r\n\r\n`,
      'okyes',
    ],
    [
      'white space around a chunk extension',
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2 ;a\r\nok\r\n1\t; b = "c d"\r\n!\r\n0 ;e\r\n\r\n`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n`,
      'ok!',
    ],
    [
      'the same Content-Length twice',
      `${HEAD}Content-Length: 2\r\nX-A: b\r\ncontent-length: 2\r\n\r\nok`,
      `${HEAD}X-A: b\r\nContent-Length: 2\r\n\r\nok`,
      'ok',
    ],
    [
      'the same Content-Length three times, in two spellings',
      `${HEAD}Content-Length: 2\r\nContent-Length: 002\r\nContent-Length:2\r\n\r\nok`,
      `${HEAD}Content-Length: 2\r\n\r\nok`,
      'ok',
    ],
    [
      'a Content-Length with zeros in front',
      `${HEAD}Content-Length: 0002\r\n\r\nok`,
      `${HEAD}Content-Length: 2\r\n\r\nok`,
      'ok',
    ],
    [
      'a Content-Length with white space around it',
      `${HEAD}Content-Length:\t 2 \t\r\n\r\nok`,
      `${HEAD}Content-Length: 2\r\n\r\nok`,
      'ok',
    ],
    [
      'Transfer-Encoding with a tab',
      `${HEAD}Transfer-Encoding: chunked\t\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
      'ok',
    ],
    [
      'version HTTP/1.2',
      `${HEAD.replace('1.1', '1.2')}Content-Length: 2\r\n\r\nok`,
      `${HEAD}Content-Length: 2\r\n\r\nok`,
      'ok',
    ],
  ] as const) {
    test(`F11: ${says}: the response goes on in plain form, whole and byte by byte`, async () => {
      pair.answer = reply(sent);
      assert.equal(await pair.exchange(GET), plain);
      const over = await overHttp2();
      assert.deepEqual([over.headers[':status'], over.body], [200, body]);
      assert.notEqual(over.headers['content-length'], '2, 2');
      pair.answer = ({ socket }) => {
        let at = 0;
        const more = (): void => {
          if (at === sent.length) return;
          socket.write(sent[at++]!, () => setImmediate(more));
        };
        more();
      };
      const pieces = await pair.exchange(GET);
      // Data that came in pieces may leave in pieces.
      assert.equal(pieces.slice(0, plain.indexOf('\r\n\r\n') + 4), plain.slice(0, plain.indexOf('\r\n\r\n') + 4));
      assert.doesNotMatch(pieces.slice(HEAD.length), /[ \t]\r|;/);
    });
  }

  test('F11: of a response to HEAD and a 304 two lengths that agree are one', async () => {
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 7\r\n\r\n');
    const asking = await pair.open();
    asking.send('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const head = await asking.end();
    assert.equal(head.match(/^content-length: 7\r$/gim)?.length, 1);
    pair.answer = reply('HTTP/1.1 304 Not Modified\r\nContent-Length: 007\r\n\r\n');
    const client = await pair.open();
    client.send(GET);
    assert.match(await client.until((text) => text.endsWith('\r\n\r\n')), /^Content-Length: 7\r$/m);
  });

  test('F11: a connection with such responses is kept, and each request gets its own', async () => {
    pair.answer = reply('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n2 \r\nok\r\n0 \r\n\r\n');
    const before = pair.backend.connections.length;
    const client = await pair.open();
    for (let n = 1; n <= 3; n++) {
      client.send(GET);
      await client.until((text) => text.split('0\r\n\r\n').length === n + 1);
    }
    assert.ok(pair.backend.connections.length <= before + 1);
  });
});

describe('F11: requests', () => {
  const pair = RawPair.inSuite('affinity: []');
  const POST = 'POST / HTTP/1.1\r\nHost: shop.example\r\n';

  /** What the backend gets of these bytes. */
  async function sent(text: string): Promise<string> {
    for (const connection of pair.backend.connections) connection.text = '';
    pair.answer = (connection) => {
      if (/\r\n\r\n(?:hello|5\r\nhello\r\n0\r\n\r\n|$)/.test(connection.text))
        connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const client = await pair.open();
    client.send(text);
    const got = await client.until(isWhole);
    assert.match(got, /^HTTP\/1\.1 200 /);
    await eventually('the request', () => pair.backend.text !== '');
    return pair.backend.text;
  }

  test('F11: white space before a chunk extension, and around its parts', async () => {
    for (const size of ['5 ;a', '5\t;a=b', '5 ; a = "b"', '05;a']) {
      const got = await sent(`${POST}Transfer-Encoding: chunked\r\n\r\n${size}\r\nhello\r\n0 ;x\r\n\r\n`);
      assert.match(got, /^Transfer-Encoding: chunked\r$/m);
      assert.match(got, /\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/);
    }
  });

  test('F11: Transfer-Encoding with a tab, Content-Length with white space or zeros in front', async () => {
    for (const line of [
      'Transfer-Encoding: chunked\t',
      'Transfer-Encoding:\tchunked',
      'Transfer-Encoding: \t CHUNKED \t',
    ]) {
      const got = await sent(`${POST}${line}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`);
      assert.deepEqual(got.match(/^transfer-encoding:.*$/gim), ['Transfer-Encoding: chunked\r'.slice(0, -1)]);
    }
    for (const line of [
      'Content-Length:  5',
      'Content-Length:\t5',
      'Content-Length: 5 ',
      'content-length: 0005',
      'Content-Length: 5\t',
    ]) {
      const got = await sent(`${POST}${line}\r\n\r\nhello`);
      assert.deepEqual(got.match(/^content-length:.*\r$/gim), ['Content-Length: 5\r']);
    }
    for (const line of ['Content-Length: 5', 'content-length:5']) {
      assert.deepEqual((await sent(`${POST}${line}\r\n\r\nhello`)).match(/^content-length:.*\r$/gim), [`${line}\r`]);
    }
  });

  test('F11: an empty Host gives way to that of the backend, as none does in HTTP/1.0', async () => {
    for (const host of ['Host:', 'Host: ', 'host:\t ']) {
      const got = await sent(`GET / HTTP/1.1\r\n${host}\r\n\r\n`);
      assert.deepEqual(got.match(/^host:.*\r$/gim), [`Host: 127.0.0.1:${pair.backend.port}\r`]);
      assert.doesNotMatch(got, /^(?:X-Forwarded-Host|Forwarded).*host=?\s*(?:;|\r)/im);
    }
    const client = await pair.open();
    for (const bad of ['Host:\r\nHost:', 'Host:\r\nHost: a', 'Host: a\r\nHost:']) {
      const other = await pair.open();
      other.send(`GET / HTTP/1.1\r\n${bad}\r\n\r\n`);
      assert.match(await other.end(), /^HTTP\/1\.1 400 /, bad);
    }
    client.close();
  });

  test('F11: HTTP/1.2 to HTTP/1.9 are read as HTTP/1.1', async () => {
    for (let minor = 2; minor <= 9; minor++) {
      assert.match(await sent(`GET /x?y HTTP/1.${minor}\r\nHost: a\r\n\r\n`), /^GET \/x\?y HTTP\/1\.1\r\n/);
    }
  });

  test('F11: what stays refused', async () => {
    for (const text of [
      'GET / HTTP/2.0\r\nHost: a\r\n\r\n',
      'GET / HTTP/0.9\r\nHost: a\r\n\r\n',
      'GET / HTTP/1.10\r\nHost: a\r\n\r\n',
      'GET / HTTP/1.1\nHost: a\n\n',
      'GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n',
      `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
      `${POST}Content-Length: 5, 5\r\n\r\nhello`,
      `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${POST}Transfer-Encoding: chunked\t, \r\n\r\n0\r\n\r\n`,
      `${POST}Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n`,
      `${POST}Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n`,
    ]) {
      for (const connection of pair.backend.connections) connection.text = '';
      const client = await pair.open();
      client.send(text);
      assert.match(await client.end(), /^HTTP\/1\.1 400 [\s\S]*Limpet-Error: BAD_REQUEST/, text);
      assert.equal(pair.backend.text, '', text);
    }
  });
});
