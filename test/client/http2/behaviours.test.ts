/** Behaviours 51 to 68 over HTTP/2 towards clients, as far as front.test.ts has not got them already. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { after, before, beforeEach, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';
import { type BackendConnection, RawBackend } from '../../support/raw-backend.ts';
import { ok, reply } from '../../support/raw-pair.ts';

let backend: RawBackend;
let limpet: LimpetProcess;
let client: ClientHttp2Session;
let answer: (connection: BackendConnection) => void = ok;

before(async () => {
  backend = await RawBackend.start((connection) => answer(connection));
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true }]
workers: 1
pools: { p: { backends: [{ id: a, url: "${backend.url}" }], health: { passive: null } } }
`);
  client = connect(limpet.url);
  client.on('error', () => {});
});
beforeEach(() => {
  answer = ok;
  for (const connection of backend.connections) connection.text = '';
});
after(async () => {
  client?.destroy();
  await limpet?.stop();
  await backend?.stop();
});

interface Got {
  readonly status: number;
  /** Names and values in turn, as they came. */
  readonly raw: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** The stream ended with END_STREAM. */
  readonly whole: boolean;
}

function ask(fields: OutgoingHttpHeaders, body?: string): ClientHttp2Stream {
  const stream = client.request(
    { ':path': '/', ':authority': 'shop.example', ...fields },
    { endStream: body === undefined },
  );
  stream.on('error', () => {});
  if (body !== undefined) stream.end(body);
  return stream;
}

async function got(stream: ClientHttp2Stream): Promise<Got> {
  const result = { status: 0, raw: [] as string[], body: '', trailers: [] as string[], whole: false };
  stream.on('response', (headers, _flags, raw?: string[]) => {
    result.status = Number(headers[':status']);
    result.raw = raw ?? [];
  });
  stream.on('trailers', (_headers, _flags, raw?: string[]) => {
    result.trailers = raw ?? [];
  });
  stream.on('end', () => {
    result.whole = stream.rstCode === 0;
  });
  stream.setEncoding('latin1').on('data', (piece: string) => {
    result.body += piece;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  // Not `once`, which rejects when the stream is reset.
  stream.on('close', () => resolve());
  if (!stream.closed) await promise;
  return result;
}

function names(raw: readonly string[]): string[] {
  return raw.filter((_, i) => i % 2 === 0);
}

test('51, 52: what belongs to a connection does not reach the backend, and what Connection of a response names not the client', async () => {
  const keep = { te: 'trailers', 'proxy-authorization': 'Basic eA==', 'limpet-user': 'root', 'x-keep': '1' };
  assert.equal((await got(ask(keep))).status, 200);
  const sent = backend.text;
  assert.doesNotMatch(
    sent,
    /^(?:connection|keep-alive|proxy-authorization|proxy-connection|upgrade|http2-settings):/im,
  );
  assert.doesNotMatch(sent, /root/);
  assert.match(sent, /^TE: trailers\r$/m);
  assert.match(sent, /^x-keep: 1\r$/m);
  answer = reply(
    'HTTP/1.1 200 OK\r\nConnection: X-Drop\r\nX-Drop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nLimpet-Other: 1\r\nX-Keep: 1\r\nContent-Length: 2\r\n\r\nok',
  );
  const { raw } = await got(ask({}));
  assert.deepEqual(
    names(raw).filter((name) => !['date', 'set-cookie', 'cache-control'].includes(name)),
    [':status', 'x-keep', 'content-length'],
  );
});

test('53: a head that HTTP/1.1 would refuse is refused, or never leaves as it is', async () => {
  for (const fields of [
    { host: 'other.example' },
    { ':path': '/a#b' },
    { ':path': '/a b' },
    { ':path': '/caf\xe9' },
    { ':path': '*' },
    { ':path': 'relative' },
    { ':authority': 'a b' },
    { ':authority': 'user@shop.example' },
    { ':authority': 'shop.example/x' },
    { ':method': 'get' },
    { expect: '200-ok' },
  ] as OutgoingHttpHeaders[]) {
    let stream: ClientHttp2Stream;
    try {
      stream = ask(fields);
    } catch {
      // Node's client does not send it.
      continue;
    }
    const { status } = await got(stream);
    assert.ok(status === 0 || (status >= 400 && status < 500), `${JSON.stringify(fields)}: ${status}`);
    assert.equal(backend.text, '', JSON.stringify(fields));
    if (client.closed || client.destroyed) {
      client = connect(limpet.url);
      client.on('error', () => {});
    }
  }
});

test('54: what a backend must not say is 502', async () => {
  for (const response of [
    'garbage\r\n\r\n',
    'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
    'HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
  ]) {
    answer = reply(response);
    const { status, raw } = await got(ask({}));
    assert.equal(status, 502, response);
    assert.equal(raw[raw.indexOf('limpet-error') + 1], 'BACKEND_PROTOCOL');
  }
});

test('60: a client whose side has ended gets its response, however long it takes', async () => {
  const asked = Promise.withResolvers<BackendConnection>();
  answer = (connection) => {
    if (connection.text.endsWith('0\r\n\r\n')) asked.resolve(connection);
  };
  const stream = ask({ ':method': 'POST' }, 'hello');
  const { socket } = await asked.promise;
  socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no');
  await once(stream, 'response');
  socket.write('k');
  assert.equal((await got(stream)).body, 'ok');
});

test('61: requests of one connection are answered each by itself, in whatever order backends answer', async () => {
  const waiting = new Map<string, BackendConnection>();
  answer = (connection) => {
    const path = /^GET (\S+)/.exec(connection.text)?.[1];
    if (path !== undefined) waiting.set(path, connection);
    connection.text = '';
  };
  const streams = [1, 2, 3].map((n) => got(ask({ ':path': `/${n}` })));
  await eventually('all to be asked', () => waiting.size === 3);
  for (const path of ['/3', '/1', '/2'])
    waiting.get(path)!.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`);
  assert.deepEqual(
    (await Promise.all(streams)).map(({ body }) => body),
    ['/1', '/2', '/3'],
  );
});

test('63: what a backend sends of a stream of events is there at once', async () => {
  const asked = Promise.withResolvers<BackendConnection>();
  answer = (connection) => asked.resolve(connection);
  const stream = ask({});
  const { socket } = await asked.promise;
  const head = once(stream, 'response');
  socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
  await head;
  stream.setEncoding('latin1');
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    const piece = once(stream, 'data');
    socket.write(`${event.length.toString(16)}\r\n${event}\r\n`);
    assert.deepEqual(await piece, [event]);
  }
  socket.write('0\r\n\r\n');
  await once(stream, 'close');
});

test('65: forwarding fields of an untrusted client are discarded, and ours say what is so', async () => {
  await got(
    ask({
      'x-forwarded-for': '1.2.3.4',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil',
      forwarded: 'for=1.2.3.4',
      x_forwarded_for: '1.2.3.4',
      'x-request-id': 'mine',
    }),
  );
  const sent = backend.text;
  assert.doesNotMatch(sent, /1\.2\.3\.4|evil|https|mine/);
  assert.match(
    sent,
    /^X-Forwarded-For: 127\.0\.0\.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: shop\.example\r$/m,
  );
});

test('67: OPTIONS * and TRACE go to the backend', async () => {
  await got(ask({ ':method': 'OPTIONS', ':path': '*' }));
  await got(ask({ ':method': 'TRACE' }));
  assert.deepEqual(backend.text.match(/^(?:OPTIONS|TRACE) .*(?=\r$)/gm), ['OPTIONS * HTTP/1.1', 'TRACE / HTTP/1.1']);
});

test('68: a connection to a backend that its stream has used is used for the next one', async () => {
  await got(ask({}));
  const { length } = backend.connections;
  for (let n = 0; n < 5; n++) assert.equal((await got(ask({}))).status, 200);
  assert.equal(backend.connections.length, length);
});
