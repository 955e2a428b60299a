/** What RFC 9110 asks of a gateway for messages that lack it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Flag, FrameClient, frame, literals, request, Type } from '../support/http2-frames.ts';
import { isWhole } from '../support/raw-client.ts';
import { ok, RawPair, reply } from '../support/raw-pair.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n';
const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

function datesOf(text: string): string[] {
  return [...text.slice(0, text.indexOf('\r\n\r\n') + 2).matchAll(/^date: (.*)\r$/gim)].map(([, value]) => value!);
}

function assertNow(date: string | undefined): void {
  assert.match(date ?? '', IMF_FIXDATE);
  assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 20_000, date!);
}

describe('F8: duties of a gateway', () => {
  const pair = RawPair.inSuite('affinity: []', 'listeners: [{ bind: "127.0.0.1:0", h2c: true }]');
  let frames: FrameClient;
  let stream = 1;
  before(async () => {
    frames = await FrameClient.open(pair.limpet.port);
  });
  after(() => frames.close());

  test('F8: a response without Date gets one (RFC 9110 6.6.1)', async () => {
    for (const response of [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
      'HTTP/1.1 500 Oops\r\nConnection: date\r\nContent-Length: 2\r\n\r\nok',
      'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ]) {
      pair.answer = reply(response);
      const dates = datesOf(await pair.exchange(`${GET}\r\n`));
      assert.equal(dates.length, 1, response);
      assertNow(dates[0]);
    }
  });

  test('F8: one that has it keeps it as it is, whatever it says', async () => {
    const old = 'Tue, 15 Nov 1994 08:12:31 GMT';
    for (const more of ['', 'Connection: date\r\n', 'Connection: close\r\n']) {
      pair.answer = reply(`HTTP/1.1 200 OK\r\ndate: ${old}\r\n${more}Content-Length: 2\r\n\r\nok`);
      assert.deepEqual(datesOf(await pair.exchange(`${GET}\r\n`)), [old]);
    }
  });

  test('F8: 1xx responses get none, the final one behind them does', async () => {
    pair.answer = reply('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    const text = await client.until((all) => all.endsWith('ok'));
    assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/x>\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    assertNow(datesOf(text.slice(text.indexOf('HTTP/1.1 200')))[0]);
  });

  test("F8: limpet's own answers have it", async () => {
    for (const bad of [
      'GET / HTTP/1.1\r\n\r\n',
      'BAD\r\n\r\n',
      `${GET}Expect: x\r\n\r\n`,
      'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    ]) {
      const text = await pair.exchange(bad);
      assert.match(text, /^Limpet-Error: /m);
      const dates = datesOf(text);
      assert.equal(dates.length, 1, text);
      assertNow(dates[0]);
    }
  });

  test('F8: of TRACE and OPTIONS it is one less for the backend (RFC 9110 7.6.2)', async () => {
    for (const [value, sent] of [
      ['5', '5'],
      ['1', '1'],
      ['007', '7'],
      ['99999999999999999999', '1000000'],
    ] as const) {
      for (const method of ['TRACE', 'OPTIONS']) {
        for (const connection of pair.backend.connections) connection.text = '';
        await pair.exchange(`${method} / HTTP/1.1\r\nHost: x\r\nmax-forwards: ${value}\r\n\r\n`);
        const got = /^max-forwards: (.*)\r$/im.exec(pair.backend.text)?.[1];
        assert.equal(got, String(Number(sent) - 1), method);
      }
    }
  });

  test('F8: for any other method, and where it is no number, it stays as it is', async () => {
    for (const [method, value] of [
      ['GET', '0'],
      ['POST', '3'],
      ['OPTIONS', 'x'],
      ['TRACE', '-1'],
      ['TRACE', ''],
    ] as const) {
      for (const connection of pair.backend.connections) connection.text = '';
      await pair.exchange(`${method} / HTTP/1.1\r\nHost: x\r\nMax-Forwards: ${value}\r\n\r\n`);
      assert.match(pair.backend.text, new RegExp(`^Max-Forwards: ${value}\\r$`, 'm'));
    }
  });

  test('F8: with none left limpet answers OPTIONS itself, on the same connection', async () => {
    const client = await pair.open();
    for (const target of ['/a?b', '*']) {
      client.text = '';
      client.send(`OPTIONS ${target} HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n`);
      const text = await client.until(isWhole);
      assert.match(text, /^HTTP\/1\.1 200 OK\r\nAllow: GET, HEAD, POST, [^\r]*TRACE\r\nContent-Length: 0\r\n/);
      assertNow(datesOf(text)[0]);
    }
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 OK/);
    assert.doesNotMatch(pair.backend.text, /OPTIONS/);
  });

  test('F8: with none left limpet answers TRACE itself, and shows no field that may be a secret (9.3.8)', async () => {
    const text = await pair.exchange(
      'TRACE /a?b HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\nAuthorization: Bearer secret\r\nX-Api-Key: secret\r\nVia: 1.0 front\r\nUser-Agent: t\r\nMax-Forwards: 0\r\n\r\n',
    );
    const end = text.indexOf('\r\n\r\n') + 4;
    assert.match(text.slice(0, end), /^HTTP\/1\.1 200 OK\r\nContent-Type: message\/http\r\n/);
    assert.equal(
      text.slice(end),
      'TRACE /a?b HTTP/1.1\r\nHost: x\r\nVia: 1.0 front\r\nUser-Agent: t\r\nMax-Forwards: 0\r\n\r\n',
    );
    assert.equal(pair.backend.text, '');
  });
  /** Sends a request without a body over HTTP/2, and settles with what the backend gets. */
  async function overHttp2(method: string, fields: readonly (readonly [string, string])[] = []): Promise<string> {
    for (const connection of pair.backend.connections) connection.text = '';
    frames.request(stream, request('/', fields, method));
    await frames.ended(stream);
    stream += 2;
    return pair.backend.text;
  }

  test('F8: an HTTP/2 POST, PUT or PATCH without a body says so: Content-Length: 0 (RFC 9110 8.6)', async () => {
    for (const method of ['POST', 'PUT', 'PATCH']) {
      assert.match(await overHttp2(method), /^content-length: 0\r$/im);
      assert.equal((await overHttp2(method, [['content-length', '0']])).match(/^content-length:/gim)?.length, 1);
    }
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS'])
      assert.doesNotMatch(await overHttp2(method), /content-length/i);
    pair.answer = ({ text, socket }) => {
      if (text.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    for (const connection of pair.backend.connections) connection.text = '';
    frames.send(
      frame(Type.headers, Flag.endHeaders, stream, literals(request('/', [], 'POST'))),
      frame(Type.data, Flag.endStream, stream),
    );
    await frames.ended(stream);
    assert.match(pair.backend.text, /^transfer-encoding: chunked\r$/im, 'one whose end comes later is chunked');
    stream += 2;
  });

  test('F8: Via names the version that the request came in (RFC 9110 7.6.3), behind those that are there', async () => {
    pair.answer = ok;
    assert.match(await overHttp2('GET', [['via', '1.1 front']]), /^via: 1\.1 front\r\n[\s\S]*^Via: 2\.0 limpet\r$/m);
    for (const [version, via] of [
      ['1.0', '1.0'],
      ['1.1', '1.1'],
    ] as const) {
      for (const connection of pair.backend.connections) connection.text = '';
      await pair.exchange(`GET / HTTP/${version}\r\nHost: shop.example\r\nVia: 1.1 front\r\n\r\n`);
      assert.match(
        pair.backend.text,
        new RegExp(`^Via: 1\\.1 front\\r\\n[\\s\\S]*^Via: ${via.replace('.', '\\.')} limpet\\r$`, 'm'),
      );
    }
    const client = await pair.open();
    for (const connection of pair.backend.connections) connection.text = '';
    client.send('GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
    await client.until((text) => text.endsWith('ok'));
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.split('ok').length === 3);
    assert.deepEqual(pair.backend.text.match(/^Via: .*(?=\r$)/gm), ['Via: 1.0 limpet', 'Via: 1.1 limpet']);
  });

  test('F8: a 426 says which protocol is wanted (RFC 9110 15.5.22), to HTTP/1.1 alone', async () => {
    pair.answer = reply(
      'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno',
    );
    assert.match(await pair.exchange(`${GET}\r\n`), /^Connection: upgrade\r\nUpgrade: websocket\r$/m);
    assert.doesNotMatch(await pair.exchange('GET / HTTP/1.0\r\nHost: x\r\n\r\n'), /^Upgrade:/m);
    await overHttp2('GET');
    assert.ok(await frames.alive());
  });

  test('F8: Age, Warning and what limpet does not know go through', async () => {
    pair.answer = reply(
      'HTTP/1.1 200 OK\r\nAge: 12\r\nWarning: 110 - "x"\r\nVia: 1.1 cache\r\nX-Y: z\r\nContent-Length: 2\r\n\r\nok',
    );
    assert.match(
      await pair.exchange(`${GET}\r\n`),
      /\r\nAge: 12\r\nWarning: 110 - "x"\r\nVia: 1\.1 cache\r\nX-Y: z\r\n/,
    );
  });
});
