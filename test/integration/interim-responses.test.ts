import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { RawPair, reply } from '../support/raw-pair.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n';
/** What a backend may say to limpet alone, what belongs to one connection, and what the client is to have. */
const FIELDS = [
  'Set-Cookie: limpet=evil; Path=/',
  'set-cookie:\tlimpet = evil',
  'Set-Cookie: limpet',
  'Limpet-Session: end',
  'Limpet-User: root',
  'Limpet-Session-Moved: from=evil',
  'Limpet-Error: NO_ROUTE',
  'LIMPET-Backend: evil',
  'X-Limpet-Explain: evil',
  'Connection: X-Hop, keep-alive',
  'X-Hop: evil',
  'Keep-Alive: timeout=5',
  'Proxy-Connection: keep-alive',
  'Proxy-Authenticate: Basic',
  'Upgrade: h2c',
  'TE: trailers',
  'Content-Length: 5',
  'Set-Cookie: app=1',
  'Set-Cookie: limpets=2',
  'Link: </x>; rel=preload',
];
const KEPT = ['Set-Cookie: app=1', 'Set-Cookie: limpets=2', 'Link: </x>; rel=preload'];
const FINAL = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('1xx responses', () => {
  const pair = RawPair.inSuite('timeouts: { response: 2s }', 'listeners: [{ bind: "127.0.0.1:0", h2c: true }]');
  let http2: ClientHttp2Session;
  before(() => {
    http2 = connect(pair.limpet.url);
  });
  after(() => http2.destroy());

  for (const status of [100, 102, 103, 104, 199]) {
    test(`P6: a ${status} goes through the same filter as the final response`, async () => {
      pair.answer = reply(`HTTP/1.1 ${status} X\r\n${FIELDS.join('\r\n')}\r\n\r\n${FINAL}`);
      const client = await pair.open();
      client.send(GET);
      const text = await client.until((all) => all.endsWith('ok'));
      assert.equal(text.slice(0, text.indexOf('\r\n\r\n')), [`HTTP/1.1 ${status} X`, ...KEPT].join('\r\n'));
      assert.equal(text.match(/^set-cookie: limpet=/gim)?.length, 1, 'its own comes with the final one');
    });

    test(`P6: so does a ${status} over HTTP/2`, async () => {
      pair.answer = reply(`HTTP/1.1 ${status} X\r\n${FIELDS.join('\r\n')}\r\n\r\n${FINAL}`);
      const stream = http2.request({ ':path': '/', ':authority': 'shop.example' });
      const interim: IncomingHttpHeaders[] = [];
      stream.on('headers', (headers) => interim.push(headers));
      await once(stream, 'response');
      stream.resume();
      await once(stream, 'close');
      assert.equal(interim.length, 1);
      const { ':status': code, ...fields } = interim[0]! as IncomingHttpHeaders & { ':status': number };
      assert.equal(code, status);
      assert.deepEqual(Object.entries(fields).sort(), [
        ['link', '</x>; rel=preload'],
        ['set-cookie', ['app=1', 'limpets=2']],
      ]);
    });
  }

  test('P6: of a 101 and of trailers limpet keeps the same to itself', async () => {
    pair.answer = reply(
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${FIELDS.join('\r\n')}\r\nX-Sum: 1\r\n\r\n`,
    );
    const client = await pair.open();
    client.send(GET);
    const text = await client.until((all) => all.endsWith('\r\n\r\n') && all.includes('\r\n0\r\n'));
    assert.equal(
      text.slice(text.indexOf('\r\n0\r\n')),
      '\r\n0\r\nX-Hop: evil\r\nLink: </x>; rel=preload\r\nX-Sum: 1\r\n\r\n',
    );
    pair.answer = reply(
      `HTTP/1.1 101 Switching Protocols\r\n${FIELDS.join('\r\n').replace('h2c', 'chat')}\r\n\r\nhello`,
    );
    const other = await pair.open();
    other.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n');
    const switched = await other.until((all) => all.endsWith('hello'));
    assert.doesNotMatch(switched, /evil|root|^limpet-|keep-alive|^content-length/im);
    for (const line of KEPT) assert.ok(switched.includes(`${line}\r\n`));
  });

  test('H6: each of them begins timeouts.response anew', async () => {
    // Five times 0.7 s, where 2 s are allowed.
    let left = 5;
    pair.answer = ({ socket }) => {
      const timer = setInterval(() => {
        if (left-- > 0) socket.write('HTTP/1.1 102 Processing\r\n\r\n');
        else {
          clearInterval(timer);
          socket.write(FINAL);
        }
      }, 700);
      socket.once('close', () => clearInterval(timer));
    };
    const client = await pair.open();
    client.send(GET);
    const text = await client.until((all) => all.endsWith('ok') || all.includes('Limpet-Error'), 20_000);
    assert.match(text, /^(?:HTTP\/1\.1 102 Processing\r\n\r\n){5}HTTP\/1\.1 200 OK\r\n/);
  });

  test('H6: a backend that stops after one is late all the same', async () => {
    pair.answer = reply('HTTP/1.1 102 Processing\r\n\r\n');
    const client = await pair.open();
    const started = performance.now();
    client.send(GET);
    assert.match(await client.until((all) => all.includes('Limpet-Error')), /^HTTP\/1\.1 102 [\s\S]*HTTP\/1\.1 504 /);
    assert.ok(performance.now() - started > 1_900);
  });
});

describe('1xx responses without end', () => {
  const pair = RawPair.inSuite('timeouts: { response: 500ms }');

  for (const [says, pause] of [
    ['now and then', 30],
    ['as fast as they go', 0],
  ] as const) {
    test(`H6: ${says}: there is a bound, and the connection to the backend is closed`, async () => {
      const closed = Promise.withResolvers<void>();
      pair.answer = ({ socket }) => {
        let open = true;
        socket.once('close', () => {
          open = false;
          closed.resolve();
        });
        const more = (): void => {
          if (!open) return;
          const went = socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(pause === 0 ? 100 : 1));
          if (pause > 0) setTimeout(more, pause);
          else if (went) setImmediate(more);
          else socket.once('drain', more);
        };
        more();
      };
      const client = await pair.open();
      const started = performance.now();
      client.send(GET);
      await client.until((all) => all.includes('Limpet-Error', Math.max(0, all.length - 1_000)), 30_000);
      await closed.promise;
      assert.match(client.text.slice(-1_000), /HTTP\/1\.1 504 [\s\S]*Limpet-Error: BACKEND_TIMEOUT/);
      // Longer than one time for the response. On a busy machine the backend may be silent for that long in between.
      assert.ok(performance.now() - started > (pause === 0 ? 450 : 1_000));
    });
  }
});
