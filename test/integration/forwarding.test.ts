import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { quickest } from '../support/quickest.ts';
import { isWhole, type RawClient } from '../support/raw-client.ts';
import { RawPair, reply } from '../support/raw-pair.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n';

describe('fields on their way', () => {
  const pair = RawPair.inSuite();

  test('51: hop-by-hop fields and those that Connection names are removed from requests, what limpet adds cannot be named away', async () => {
    await pair.exchange(
      `${GET}Connection: close, X-Drop, x-forwarded-for, Limpet-Session\r\nX-Drop: 1\r\nx-drop: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nProxy-Authorization: Basic eA==\r\nTE: trailers, gzip\r\nUpgrade: foo\r\nX-Keep: 1\r\n\r\n`,
    );
    const sent = pair.backend.text;
    assert.doesNotMatch(sent, /^(?:connection|x-drop|keep-alive|proxy-connection|proxy-authorization|upgrade):/im);
    assert.match(sent, /^X-Keep: 1\r$/m);
    assert.match(sent, /^X-Forwarded-For: 127\.0\.0\.1\r$/m);
    assert.match(sent, /^Limpet-Session: [\w-]{22}\r$/m);
    assert.match(sent, /^TE: trailers\r$/m, '52: of TE only trailers goes on');
  });

  test('51: the same for responses', async () => {
    pair.answer = reply(
      'HTTP/1.1 200 OK\r\nConnection: X-Drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nX-Keep: 1\r\nContent-Length: 2\r\n\r\nok',
    );
    const text = await pair.exchange(`${GET}\r\n`);
    assert.doesNotMatch(text, /^(?:connection|x-drop|keep-alive|proxy-authenticate):/im);
    assert.match(text, /^X-Keep: 1\r$/m);
  });

  test('65: forwarding fields of an untrusted client are discarded', async () => {
    await pair.exchange(
      `${GET}X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\nX-Request-Id: mine\r\nLimpet-User: root\r\nLimpet-Session-Moved: x\r\n\r\n`,
    );
    const sent = pair.backend.text;
    assert.doesNotMatch(sent, /1\.2\.3\.4|evil|https|mine|root|Moved/);
    assert.match(
      sent,
      /^X-Forwarded-Proto: http\r\nX-Forwarded-Host: shop\.example\r\nForwarded: for=127\.0\.0\.1;host=shop\.example;proto=http\r\nVia: 1\.1 limpet\r$/m,
    );
  });

  test('66: duplicate lines keep their number and order, underscore names that collide with ours are dropped', async () => {
    await pair.exchange(
      `${GET}X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nX_Forwarded_For: 9.9.9.9\r\nLimpet_Session: x\r\nContent_Length: 5\r\nMy_Name: kept\r\nX-A: 1\r\n\r\n`,
    );
    const sent = pair.backend.text;
    assert.match(sent, /X-A: 1\r\nX-B: 2\r\nx-a: 3\r\nMy_Name: kept\r\nX-A: 1\r\n/);
    assert.doesNotMatch(sent, /_Forwarded|Limpet_|Content_/);
  });

  test("8, 73: the application's cookies reach the backend byte for byte, limpet's own stays, no empty Cookie line remains", async () => {
    const issued = /set-cookie: (limpet=[^;]+)/i.exec(await pair.exchange(`${GET}\r\n`))![1]!;
    for (const [sent, received] of [
      [`${issued}; a=1; b="x y"`, 'a=1; b="x y"'],
      [`a=1; ${issued}; b=2`, 'a=1; b=2'],
      [`a=1;b=2; ${issued}`, 'a=1;b=2'],
      [`weird; =x; ${issued};; z`, null],
    ] as const) {
      for (const connection of pair.backend.connections) connection.text = '';
      await pair.exchange(`${GET}Cookie: ${sent}\r\n\r\n`);
      assert.doesNotMatch(pair.backend.text, /limpet=/);
      if (received !== null) assert.ok(pair.backend.text.includes(`Cookie: ${received}\r\n`), pair.backend.text);
    }
    for (const connection of pair.backend.connections) connection.text = '';
    await pair.exchange(`${GET}Cookie: ${issued}\r\n\r\n`);
    assert.doesNotMatch(pair.backend.text, /^cookie:/im);
  });

  test("73: Set-Cookie lines of the backend reach the client byte for byte and in order, but not one of limpet's name", async () => {
    pair.answer = reply(
      'HTTP/1.1 200 OK\r\nSet-Cookie: a="1, 2"; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nSet-Cookie: limpet=evil\r\nset-cookie:b=\xe4\r\nSet-Cookie: limpet2=x\r\nContent-Length: 2\r\n\r\nok',
    );
    const text = await pair.exchange(`${GET}\r\n`);
    assert.match(
      text,
      /Set-Cookie: a="1, 2"; Path=\/; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nset-cookie:b=\xe4\r\nSet-Cookie: limpet2=x\r\n/,
    );
    assert.doesNotMatch(text, /evil/);
    assert.equal(text.match(/^set-cookie: limpet=/gim)!.length, 1, "3: never two cookies of limpet's");
  });

  test('4: a response that gets a cookie and could be cached becomes private', async () => {
    for (const [given, expected] of [
      ['', 'private'],
      ['Cache-Control: public, max-age=60, s-maxage=600\r\n', 'max-age=60, private'],
      ['Cache-Control: no-store\r\n', 'no-store'],
      ['Cache-Control: max-age=1\r\nCache-Control: private\r\n', 'max-age=1, private'],
    ] as const) {
      pair.answer = reply(`HTTP/1.1 200 OK\r\n${given}Content-Length: 2\r\n\r\nok`);
      const text = await pair.exchange(`${GET}\r\n`);
      assert.deepEqual(text.match(/^cache-control: .*\r$/gim), [`Cache-Control: ${expected}\r`], text);
    }
    pair.answer = reply('HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno');
    assert.doesNotMatch(await pair.exchange(`${GET}\r\n`), /^cache-control/im, 'nothing to keep there');
  });

  test('67: OPTIONS *, TRACE and CONNECT are handled on purpose', async () => {
    await pair.exchange('OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(pair.backend.text, /^OPTIONS \* HTTP\/1\.1\r\n/);
    for (const connection of pair.backend.connections) connection.text = '';
    await pair.exchange('TRACE /x HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(pair.backend.text, /^TRACE \/x HTTP\/1\.1\r\n/);
    for (const connection of pair.backend.connections) connection.text = '';
    assert.match(
      await pair.exchange('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'),
      /^HTTP\/1\.1 405 [\s\S]*Limpet-Error: METHOD_NOT_ALLOWED/,
    );
    assert.equal(pair.backend.text, '');
  });

  test('an HTTP/1.0 client gets HTTP/1.1 spoken for it: Host added, connection closed unless it asks', async () => {
    const client = await pair.open();
    client.send('GET /old HTTP/1.0\r\n\r\n');
    const text = await client.end();
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*Connection: close\r\n[\s\S]*ok$/);
    assert.match(
      pair.backend.text,
      new RegExp(`^GET /old HTTP/1\\.1\\r\\n[\\s\\S]*Host: 127\\.0\\.0\\.1:${pair.backend.port}\\r\\n`),
    );
    const kept = await pair.exchange('GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
    assert.match(kept, /^Connection: keep-alive\r$/m);
  });
});

describe('bodies and their ends', () => {
  const pair = RawPair.inSuite('timeouts: { idle: 2s }');

  test("55: HEAD, 204 and 304 have no body whatever the fields say, and a HEAD's Content-Length is passed on", async () => {
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n');
    const client = await pair.open();
    client.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(await client.until((text) => text.endsWith('\r\n\r\n')), /Content-Length: 5000\r\n/);
    pair.answer = reply('HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: "x"\r\n\r\n');
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.match(await client.until((text) => text.endsWith('\r\n\r\n')), /^HTTP\/1\.1 304 /);
    pair.answer = reply('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n');
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.doesNotMatch(
      await client.until((text) => text.endsWith('\r\n\r\n')),
      /content-length|transfer-encoding/i,
      'RFC 9110 8.6: a 204 has no Content-Length',
    );
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.match(await client.until(isWhole), /\r\n\r\nok$/, 'the connection is still in step');
  });

  test('a chunked response goes on chunked, with its trailers, and without the dangerous ones (58)', async () => {
    pair.answer = reply(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    const text = await client.until((all) => all.endsWith('X-Sum: 1\r\n\r\n'));
    assert.match(
      text,
      /Transfer-Encoding: chunked\r\n[\s\S]*\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n$/,
    );
  });

  test('a chunked response is decoded for an HTTP/1.0 client', async () => {
    pair.answer = reply('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n');
    const client = await pair.open();
    client.send('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
    const text = await client.end();
    assert.match(text, /\r\n\r\nhello world$/);
    assert.doesNotMatch(text, /transfer-encoding/i);
  });

  test('a response that ends with its connection goes on chunked, so that its end can be told from a break', async () => {
    pair.answer = ({ socket }) => socket.end('HTTP/1.1 200 OK\r\n\r\nall of it');
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    assert.match(await client.until((text) => text.endsWith('0\r\n\r\n')), /\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/);
    pair.answer = ({ socket }) => socket.end('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nold');
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.match(await client.until((text) => text.endsWith('0\r\n\r\n')), /^HTTP\/1\.1 200 OK/);
  });

  for (const [name, head, part] of [
    ['length', 'Content-Length: 100', 'half'],
    ['chunked', 'Transfer-Encoding: chunked', '64\r\nhalf'],
  ] as const) {
    test(`64: a ${name} response cut short is cut short for the client too`, async () => {
      pair.answer = ({ socket }) => socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`);
      const client = await pair.open();
      client.send(`${GET}\r\n`);
      const text = await client.end();
      assert.match(text, /^HTTP\/1\.1 200 OK[\s\S]*half$/, 'what came is delivered, no final chunk follows');
      assert.ok(client.closed || client.ended);
    });
  }

  test('64: the reset of a response without length cuts it, it is not ended as if it were whole', async () => {
    pair.answer = ({ socket }) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\npart', () => setImmediate(() => socket.resetAndDestroy()));
    };
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    assert.doesNotMatch(await client.end(), /0\r\n\r\n$/);
  });

  test('the time between two reads of a response body is limited, the client sees a break', async () => {
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    const started = performance.now();
    assert.match(await client.end(), /half$/);
    const took = performance.now() - started;
    assert.ok(took > 1_900 && took < 20_000, `${took} ms`);
  });

  test('61: pipelined requests are answered in order', async () => {
    let n = 0;
    const seen = new WeakMap<object, number>();
    pair.answer = (connection) => {
      const heads = connection.text.split('\r\n\r\n').length - 1;
      for (let i = seen.get(connection) ?? 0; i < heads; i++) {
        const body = `answer-${n++}`;
        connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      }
      seen.set(connection, heads);
    };
    const client = await pair.open();
    client.send(Array.from({ length: 20 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    const text = await client.until((all) => all.includes('answer-19'));
    assert.deepEqual(
      text.match(/answer-\d+/g),
      Array.from({ length: 20 }, (_, i) => `answer-${i}`),
    );
    assert.deepEqual(
      [...pair.backend.text.matchAll(/^GET \/(\d+) /gm)].map((match) => Number(match[1])),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test('60: a client that sends FIN after its request still gets the response', async () => {
    let answer: (() => void) | null = null;
    pair.answer = ({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) answer = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate');
    };
    const client = await pair.open();
    client.socket.end(`${GET}\r\n`);
    while (answer === null) await new Promise(setImmediate);
    (answer as () => void)();
    assert.match(await client.end(), /late$/);
  });
});

describe('1xx, Expect and early answers', () => {
  const pair = RawPair.inSuite();

  test('56: 1xx responses are passed on in order, before the final one', async () => {
    pair.answer = reply(
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    );
    const client = await pair.open();
    client.send(`${GET}\r\n`);
    assert.match(
      await client.until((text) => text.endsWith('ok')),
      /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    );
    const old = await pair.open();
    old.send('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
    assert.match(await old.end(), /^HTTP\/1\.1 200 OK/, 'HTTP/1.0 knows no 1xx');
  });

  test("56: Expect: 100-continue is passed on and the body waits for the backend's word", async () => {
    let asked: (() => void) | null = null;
    pair.answer = (connection) => {
      if (connection.text.endsWith('\r\n\r\n')) asked = () => connection.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      else if (connection.text.endsWith('hello'))
        connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const client = await pair.open();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    while (asked === null) await new Promise(setImmediate);
    assert.match(pair.backend.text, /Expect: 100-continue\r\n/);
    assert.equal(client.text, '');
    (asked as () => void)();
    assert.equal(await client.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 100 Continue\r\n\r\n');
    client.send('hello');
    assert.match(await client.until((text) => text.endsWith('ok')), /200 OK[\s\S]*ok$/);
  });

  test('56: a backend that answers without a 100 is heard, and the connection closes: the body may come or not', async () => {
    pair.answer = reply('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
    const client = await pair.open();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    const text = await client.end();
    assert.match(text, /^HTTP\/1\.1 401 [\s\S]*Connection: close\r\n[\s\S]*no$/);
  });

  test('56: a client that does not wait, and a backend that says nothing, come together all the same', async () => {
    pair.answer = (connection) => {
      if (connection.text.endsWith('hello')) connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    assert.match(
      await pair.exchange('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello'),
      /200 OK/,
    );
  });

  test('F10: a body that comes without waiting for a 100 goes on at once, whatever the backend makes of Expect', async () => {
    pair.answer = (connection) => {
      if (connection.text.endsWith('hello')) connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    for (const pieces of [['hello'], ['h', 'ello'], ['5\r\nhello\r\n0\r\n\r\n']]) {
      const chunked = pieces[0]!.startsWith('5');
      for (const connection of pair.backend.connections) connection.text = '';
      if (chunked) {
        pair.answer = ({ text, socket }) => {
          if (text.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        };
      }
      let client!: RawClient;
      const framing = chunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 5';
      const took = await quickest(800, async () => {
        for (const connection of pair.backend.connections) connection.text = '';
        client = await pair.open();
        client.send(`POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n${framing}\r\n\r\n`);
        await eventually('the head to be there', () => pair.backend.text.includes('\r\n\r\n'));
        const started = performance.now();
        for (const piece of pieces) client.send(piece);
        assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
        return performance.now() - started;
      });
      // limpet itself would wait for a second.
      assert.ok(took < 800, `${took} ms`);
      // The whole body has come: the connection takes another request.
      client.text = '';
      pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      client.send(`${GET}\r\n`);
      assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
      pair.answer = (connection) => {
        if (connection.text.endsWith('hello'))
          connection.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      };
    }
  });

  test('F10: a part of the body in the packet of the head goes on at once, too, and the rest as it comes', async () => {
    pair.answer = () => {};
    let client!: RawClient;
    const took = await quickest(800, async () => {
      for (const connection of pair.backend.connections) connection.text = '';
      client = await pair.open();
      client.send('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhe');
      const started = performance.now();
      await eventually('the first part', () => pair.backend.text.endsWith('\r\n\r\nhe'));
      client.send('l');
      await eventually('the second', () => pair.backend.text.endsWith('\r\n\r\nhel'));
      return performance.now() - started;
    });
    assert.ok(took < 800, `${took} ms`);
    pair.backend.connections.at(-1)!.socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    assert.equal(await client.until((text) => text.endsWith('\r\n\r\n')), 'HTTP/1.1 100 Continue\r\n\r\n');
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    client.send('lo');
    assert.match(await client.until((text) => text.endsWith('ok')), /HTTP\/1\.1 200 /);
  });

  test('56: an unknown Expect is refused', async () => {
    assert.match(
      await pair.exchange(`${GET}Expect: 200-ok\r\n\r\n`),
      /^HTTP\/1\.1 417 [\s\S]*Limpet-Error: EXPECTATION_FAILED/,
    );
    assert.equal(pair.backend.text, '');
  });

  test('57: an early final response is delivered while the upload runs, the rest of a short one is dropped and the connection goes on', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.includes('POST') && !text.includes('rest'))
        socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
      else if (text.includes('GET')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    };
    const client = await pair.open();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nfirst');
    assert.match(await client.until((text) => text.endsWith('no')), /^HTTP\/1\.1 413 /);
    client.text = '';
    client.send(`rest-of-upload.${GET}\r\n`);
    assert.match(await client.until((text) => text.endsWith('ok')), /^HTTP\/1\.1 200 /);
  });

  test('57: a long upload behind an early answer is read within a bound, then the connection closes', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.length < 70_000) socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno');
    };
    const client = await pair.open();
    client.send('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\nfirst');
    await client.until((text) => text.endsWith('no'));
    const chunk = Buffer.alloc(65_536);
    let sent = 0;
    while (!client.closed && !client.ended) {
      if (!client.socket.write(chunk))
        await Promise.race([once(client.socket, 'drain'), once(client.socket, 'close')]).catch(() => {});
      sent += chunk.length;
      await new Promise(setImmediate);
    }
    assert.ok(sent < 20_000_000, `${sent} bytes were taken`);
  });
});

describe('upgrades', () => {
  const pair = RawPair.inSuite('timeouts: { tunnel: 1s }');
  const UPGRADE =
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n';
  const SWITCHED =
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n';

  test('59: bytes that come with the handshake reach the other side first, in both directions', async () => {
    pair.answer = (connection) => {
      if (connection.text.includes('\r\n\r\n') && !connection.text.includes('early')) return;
      if (connection.text.endsWith('early')) connection.socket.write('echo:early');
    };
    const backend = pair.backend;
    pair.answer = (connection) => {
      const { text, socket } = connection;
      if (text.endsWith('\r\n\r\n')) socket.write(`${SWITCHED}hello`);
      else socket.write(`echo(${text.slice(text.indexOf('\r\n\r\n') + 4)})`);
    };
    const client = await pair.open();
    client.send(`${UPGRADE}early`);
    const text = await client.until((all) => all.endsWith('echo(early)'));
    assert.match(
      text,
      /^HTTP\/1\.1 101 Switching Protocols\r\n[\s\S]*Connection: upgrade\r\nUpgrade: websocket\r\n\r\nhelloecho\(early\)$/i,
    );
    assert.match(text, /Sec-WebSocket-Accept: y\r\n/);
    assert.match(text, /set-cookie: limpet=/i, 'the session is told in the handshake');
    assert.match(backend.text, /Connection: upgrade\r\nUpgrade: websocket\r\n/);
  });

  test('60: in a tunnel FIN is passed on for each direction', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write(SWITCHED);
    };
    const client = await pair.open();
    client.send(UPGRADE);
    await client.until((all) => all.endsWith('\r\n\r\n'));
    const { socket } = pair.backend.connections.at(-1)!;
    socket.removeAllListeners('end');
    socket.once('end', () => socket.end('last words'));
    client.socket.end('bye');
    assert.match(await client.end(), /last words$/);
    assert.match(pair.backend.connections.at(-1)!.text, /bye$/);
  });

  test('60: an RST ends both directions', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write(SWITCHED);
    };
    const client = await pair.open();
    client.send(UPGRADE);
    await client.until((all) => all.endsWith('\r\n\r\n'));
    const closed = once(pair.backend.connections.at(-1)!.socket, 'close');
    client.socket.resetAndDestroy();
    await closed;
  });

  test('59: a refusal is relayed whole and the connection goes on as HTTP', async () => {
    pair.answer = reply('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno');
    const client = await pair.open();
    client.send(UPGRADE);
    assert.match(await client.until((all) => all.endsWith('no')), /^HTTP\/1\.1 426 /);
    pair.answer = reply('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    client.text = '';
    client.send(`${GET}\r\n`);
    assert.match(await client.until((all) => all.endsWith('ok')), /^HTTP\/1\.1 200 /);
  });

  test('59: without the token in Connection there is no upgrade, and h2c is never passed on', async () => {
    await pair.exchange(`${GET}Upgrade: websocket\r\n\r\n`);
    assert.doesNotMatch(pair.backend.text, /upgrade/i);
    for (const connection of pair.backend.connections) connection.text = '';
    await pair.exchange(
      `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n`,
    );
    assert.doesNotMatch(pair.backend.text, /upgrade|h2c|http2/i);
  });

  test('72: a 101 that was asked for but names another protocol is relayed as it is', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.endsWith('\r\n\r\n'))
        socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\nbytes');
    };
    const client = await pair.open();
    client.send(UPGRADE);
    assert.match(await client.until((all) => all.endsWith('bytes')), /Upgrade: other\r\n/);
  });

  test('a tunnel without a byte in either direction ends after its timeout, one with bytes does not', async () => {
    pair.answer = ({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write(SWITCHED);
    };
    const client = await pair.open();
    client.send(UPGRADE);
    await client.until((all) => all.endsWith('\r\n\r\n'));
    const { socket } = pair.backend.connections.at(-1)!;
    // Bytes from the backend alone keep it open.
    const started = performance.now();
    const timer = setInterval(() => socket.write('.'), 300);
    await client.until((all) => all.endsWith('.....'));
    assert.ok(performance.now() - started > 1_100);
    clearInterval(timer);
    await client.end();
  });
});
