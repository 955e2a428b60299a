import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { ask } from '../../support/ask.ts';
import { Certificates } from '../../support/certificates.ts';
import { DeadPort } from '../../support/dead-port.ts';
import { eventually } from '../../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';
import { RawClient } from '../../support/raw-client.ts';

type Answer = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: string[]) => void;

/** An HTTP/2 server with one way to answer for each path. */
class Backend {
  readonly sessions = new Set<ServerHttp2Session>();
  /** Sessions there have ever been. */
  opened = 0;
  port = 0;
  readonly #server: Http2Server;

  constructor(server: Http2Server, id: string, answers: Record<string, Answer>) {
    this.#server = server;
    server.on('session', (session) => {
      this.opened++;
      this.sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.sessions.delete(session));
    });
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) => {
      stream.on('error', () => {});
      const answer = answers[String(headers[':path']).replace(/^.*\//, '')];
      if (answer !== undefined) return answer(stream, headers, raw);
      stream.respond({ ':status': 200, 'x-backend': id, 'content-length': 2 });
      stream.end('ok');
    });
    server.on('sessionError', () => {});
    server.on('tlsClientError', () => {});
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  close(): void {
    this.#server.close();
    for (const session of this.sessions) session.destroy();
  }
}

/** Digests the body; trailers go back as they came. */
const digest: Answer = (stream, headers) => {
  const hash = createHash('sha256');
  let trailers: Record<string, unknown> = {};
  stream.on('data', (bytes: Buffer) => hash.update(bytes));
  stream.on('trailers', (came: Record<string, unknown>) => {
    trailers = came;
  });
  stream.on('end', () => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-status': 'good', 'x-came': JSON.stringify(trailers) }));
    stream.end(JSON.stringify({ digest: hash.digest('hex'), length: headers['content-length'] ?? null }));
  });
};

suite('HTTP/2 to the backends', () => {
  const files = new Certificates();
  const own = files.make('own', { names: ['127.0.0.1'] });
  let plain: Backend;
  let secure: Backend;
  let few: Backend;
  let replica: Backend;
  let http1: ReturnType<typeof createHttpServer>;
  let dead: DeadPort;
  let large: ServerHttp2Stream | null = null;
  let limpet: LimpetProcess;
  let seen: { headers: IncomingHttpHeaders; raw: string[] };
  let broken = 0;
  let refusals = 0;
  let waiting: ServerHttp2Stream[] = [];
  const hung = new Set<Socket>();

  before(async () => {
    const answers: Record<string, Answer> = {
      digest,
      echo: (stream, headers, raw) => {
        seen = { headers, raw };
        stream.respond([
          ':status',
          '203',
          'set-cookie',
          'a=1',
          'x-multi',
          'one',
          'set-cookie',
          'b=2',
          'x-multi',
          'two',
        ]);
        stream.end('found');
      },
      early: (stream) => {
        stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
        stream.respond({ ':status': 200, 'content-length': 0 }, { endStream: true });
      },
      large: (stream) => {
        stream.respond({ ':status': 200 });
        large = stream;
        stream.end(Buffer.alloc(4_000_000, 'limpet'));
      },
      'only-status': (stream) => stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true }),
      'no-content': (stream) => stream.respond({ ':status': 204 }, { endStream: true }),
      cut: (stream) => {
        stream.respond({ ':status': 200 });
        stream.write('half of it');
        setTimeout(() => stream.destroy(new Error('broken')), 100);
      },
      'cut-quietly': (stream) => {
        // RST_STREAM with NO_ERROR, and no END_STREAM.
        stream.respond({ ':status': 200 });
        stream.write('half of it', () => setTimeout(() => stream.destroy(), 100));
      },
      breaks: (stream) => {
        if (++broken % 2 === 1) stream.session!.destroy();
        else {
          stream.respond({ ':status': 200 });
          stream.end('second');
        }
      },
      refuses: (stream) => {
        // REFUSED_STREAM: nothing has been done with the request.
        if (++refusals % 2 === 1) stream.close(7);
        else digest(stream, {}, []);
      },
      wait: (stream) => void waiting.push(stream),
      bidi: (stream) => {
        stream.respond({ ':status': 200 });
        stream.on('data', (bytes: Buffer) => stream.write(`<${bytes.toString()}>`));
        stream.on('end', () => stream.end('.'));
      },
    };
    plain = await new Backend(createServer(), 'plain', answers).listen();
    secure = await new Backend(createSecureServer({ cert: own.certPem, key: own.keyPem }), 'secure', answers).listen();
    const settings = { maxConcurrentStreams: 2 };
    few = await new Backend(createServer({ settings }), 'few', answers).listen();
    dead = await DeadPort.open();
    replica = await new Backend(createServer(), 'replica', answers).listen();
    http1 = createHttpServer((_request, response) => response.end('old'));
    http1.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    http1.listen(0, '127.0.0.1');
    await once(http1, 'listening');
    const old = (http1.address() as AddressInfo).port;
    const probes = 'health: { active: { path: /probe, interval: 1s, timeout: 1s, rise: 1, fall: 1 } }';
    const url = ({ port }: { readonly port: number }) => `http://127.0.0.1:${port}`;
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'log: { level: debug }',
        'routes:',
        ...['secure', 'few', 'pair', 'old', 'upgrade'].map(
          (name) => `  - { match: { path: /${name} }, pool: ${name} }`,
        ),
        '  - pool: plain',
        'pools:',
        `  plain: { backends: [{ id: a, url: "${url(plain)}" }], affinity: [], http2: true, ${probes} }`,
        `  secure: { backends: [{ id: a, url: "https://127.0.0.1:${secure.port}" }], affinity: [], http2: true, tls: { ca: ${own.cert} }, ${probes} }`,
        `  few: { backends: [{ id: a, url: "${url(few)}" }], affinity: [], http2: true }`,
        `  pair: { backends: [{ id: a, url: "http://127.0.0.1:${dead.port}" }, { id: b, url: "${url(replica)}" }], affinity: [], http2: true, balance: round-robin }`,
        `  upgrade: { backends: [{ id: a, url: "http://127.0.0.1:${old}" }], affinity: [], http2: true }`,
        `  old: { backends: [{ id: a, url: "http://127.0.0.1:${old}" }], affinity: [], http2: true, ${probes} }`,
        '',
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const backend of [plain, secure, few, replica]) backend?.close();
    http1?.close();
    await dead?.close();
    for (const socket of hung) socket.destroy();
    files.remove();
  });

  /** Sends a request as it stands and settles with all that comes until the connection closes. */
  const raw = async (request: string): Promise<string> => {
    const client = await RawClient.open(limpet.port);
    client.send(request);
    const text = await client.end(30_000);
    client.close();
    return text;
  };

  test('fields go both ways in their order and number, without those of a connection (RFC 9113 8.2)', async () => {
    const { status, body, headers } = await ask(`${limpet.url}/echo`, {
      headers: {
        host: 'Shop.example',
        'x-a': ['1', '2'],
        cookie: 'a=b; c=d',
        connection: 'x-gone',
        'x-gone': '1',
        te: 'trailers, gzip',
      },
    });
    assert.deepEqual([status, body], [203, 'found']);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers['x-multi'], 'one, two');
    const { raw: fields } = seen;
    assert.deepEqual(fields.slice(0, 8), [
      ':method',
      'GET',
      ':scheme',
      'http',
      ':authority',
      'Shop.example',
      ':path',
      '/echo',
    ]);
    const names = fields.filter((_, index) => index % 2 === 0);
    assert.deepEqual(names.filter((name) => name === 'x-a').length, 2);
    for (const name of ['connection', 'host', 'x-gone', 'transfer-encoding', 'upgrade'])
      assert.ok(!names.includes(name), name);
    assert.equal(seen.headers.te, 'trailers');
    assert.equal(seen.headers.cookie, 'a=b; c=d');
    assert.equal(seen.headers['x-forwarded-host'], 'Shop.example');
  });

  test('fields that come twice where once is usual, and bytes beyond ASCII, cost no worker (behaviour 69)', async () => {
    const text = await raw(
      'POST /digest HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r\nUser-Agent: b\r\nX-Name: caf\xe9\r\nTE: trailers\r\nConnection: close, TE\r\n' +
        'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nEtag: 1\r\nEtag: 2\r\nHTTP2-Settings: x\r\nX-Sum: 3\r\n\r\n',
    );
    assert.match(text, /^HTTP\/1\.1 200 [\s\S]*"etag":"1[^}]*"x-sum":"3"/);
    assert.equal((await ask(`${limpet.url}/some`)).status, 200);
    assert.deepEqual(
      limpet.log.filter(({ msg }) => /worker/.test(String(msg))),
      [],
    );
  });

  test('all requests of a worker share one session', async () => {
    await Promise.all(Array.from({ length: 40 }, () => ask(`${limpet.url}/some`)));
    for (let i = 0; i < 5; i++) await ask(`${limpet.url}/some`);
    // Each probe has one of its own for a moment.
    assert.ok(plain.sessions.size <= 2, `${plain.sessions.size} sessions`);
  });

  for (const [name, path] of [
    ['prior knowledge', ''],
    ['ALPN over TLS', '/secure'],
  ] as const) {
    test(`bodies of both framings arrive whole, with trailers both ways: ${name}`, async () => {
      const body = Buffer.alloc(3_000_000, 'session');
      const wanted = createHash('sha256').update(body).digest('hex');
      const known = await ask(`${limpet.url}${path}/digest`, { method: 'POST', body });
      assert.deepEqual(JSON.parse(known.body), { digest: wanted, length: '3000000' });
      const client = await RawClient.open(limpet.port);
      client.send(
        `POST ${path}/digest HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      for (let at = 0; at < body.length; at += 50_000) client.send(`c350\r\n${body.latin1Slice(at, at + 50_000)}\r\n`);
      client.send('0\r\nX-Sum: 12\r\nX-Sum: 13\r\n\r\n');
      const text = await client.end(30_000);
      assert.ok(text.includes(wanted), text.slice(0, 400));
      assert.match(text, /\r\n0\r\nx-status: good\r\nx-came: \{"x-sum":"12, 13"\}\r\n\r\n$/);
    });
  }

  test('a large response reaches a client that reads slowly, whole', async () => {
    const client = await RawClient.open(limpet.port);
    client.socket.pause();
    client.send('GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    // The window of the stream is used up and not given back.
    await eventually(
      'flow control to stop the server',
      () => large?.state.localWindowSize !== undefined && large.writableLength > 0,
    );
    client.socket.resume();
    const text = await client.end(30_000);
    assert.equal(text.match(/limpet/g)!.length > 600_000, true);
    assert.ok(text.endsWith('\r\n0\r\n\r\n'));
  });

  test('1xx responses, empty ones and those that are trailers only pass', async () => {
    const close = 'Host: a\r\nConnection: close\r\n\r\n';
    assert.match(
      await raw(`GET /early HTTP/1.1\r\n${close}`),
      /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 0\r\n[\s\S]*\r\n\r\n$/,
    );
    assert.match(
      await raw(`POST /only-status HTTP/1.1\r\nContent-Length: 0\r\n${close}`),
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*grpc-status: 5\r\n[\s\S]*content-length: 0\r\n[\s\S]*\r\n\r\n$/,
    );
    assert.match(await raw(`GET /no-content HTTP/1.1\r\n${close}`), /^HTTP\/1\.1 204 No Content\r\n[\s\S]*\r\n\r\n$/);
    assert.match(
      await raw(`HEAD /some HTTP/1.1\r\n${close}`),
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-length: 2\r\n[\s\S]*\r\n\r\n$/,
    );
  });

  test('request and response of one stream flow at the same time', async () => {
    const client = await RawClient.open(limpet.port);
    client.send('POST /bidi HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const word of ['one', 'two', 'three']) {
      client.send(`${word.length.toString(16)}\r\n${word}\r\n`);
      await client.until((text) => text.includes(`<${word}>`));
    }
    client.send('0\r\n\r\n');
    assert.match(await client.end(30_000), /1\r\n\.\r\n0\r\n\r\n$/);
  });

  test('a response that breaks off is cut, never ended as if it were whole (behaviour 64)', async () => {
    for (const path of ['cut', 'cut-quietly']) {
      const text = await raw(`GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      assert.match(text, /half of it/, path);
      assert.ok(!text.includes('\r\n0\r\n'), path);
    }
  });

  test('a session that breaks is replaced: what may be repeated is, at the same backend (behaviour 30)', async () => {
    await ask(`${limpet.url}/some`);
    const { status, body } = await ask(`${limpet.url}/breaks`);
    assert.deepEqual([status, body], [200, 'second']);
    await ask(`${limpet.url}/some`);
    const post = await ask(`${limpet.url}/breaks`, { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.code], [502, 'BACKEND_RESET']);
  });

  test('a refused stream has not been looked at: any method is sent again (RFC 9113 8.7, behaviour 27)', async () => {
    await ask(`${limpet.url}/some`);
    const { status } = await ask(`${limpet.url}/refuses`, { method: 'POST', body: 'again' });
    assert.equal(status, 200);
    assert.equal(refusals, 2);
  });

  test('a session that goes away takes nothing new, and what is on it ends', async () => {
    waiting = [];
    const pending = ask(`${limpet.url}/few/wait`);
    const [stream] = await eventually('the request', () => waiting.length === 1 && waiting);
    const { session } = stream!;
    session!.close();
    const opened = few.opened;
    assert.equal((await ask(`${limpet.url}/few/some`, { method: 'POST', body: 'x' })).status, 200);
    assert.equal(few.opened, opened + 1);
    stream!.respond({ ':status': 200 });
    stream!.end('late');
    assert.equal((await pending).body, 'late');
  });

  test('more sessions are opened when streams run out', async () => {
    waiting = [];
    await ask(`${limpet.url}/few/some`);
    const pending = Array.from({ length: 5 }, () => ask(`${limpet.url}/few/wait`));
    await eventually('five requests at once', () => waiting.length === 5);
    assert.equal(new Set(waiting.map(({ session }) => session)).size, 3);
    for (const stream of waiting) {
      stream.respond({ ':status': 200 });
      stream.end();
    }
    for (const { status } of await Promise.all(pending)) assert.equal(status, 200);
  });

  test('a client that leaves has its stream reset, and the session stays', async () => {
    waiting = [];
    const client = await RawClient.open(limpet.port);
    client.send('GET /wait HTTP/1.1\r\nHost: a\r\n\r\n');
    const [stream] = await eventually('the request', () => waiting.length === 1 && waiting);
    const session = stream!.session!;
    const closed = once(stream!, 'close');
    client.socket.resetAndDestroy();
    await closed;
    assert.equal(stream!.rstCode, 8);
    assert.equal(session.destroyed, false);
  });

  test('a backend that does not speak HTTP/2 is down for probes and 502 for requests', async () => {
    await limpet.logged((line) => line.msg === 'backend is down' && line.pool === 'old', 30_000);
    for (const pool of ['plain', 'secure']) {
      await limpet.logged((line) => line.msg === 'backend is up' && line.pool === pool, 30_000);
    }
    assert.equal((await ask(`${limpet.url}/old`)).status, 503);
  });

  test('a backend that refuses connections has been sent nothing: any method goes to the next one (behaviour 27)', async () => {
    for (let i = 0; i < 3; i++) {
      assert.equal((await ask(`${limpet.url}/pair/some`, { method: 'POST', body: 'x' })).backend, 'replica');
    }
  });

  test('a request with Upgrade goes over HTTP/1.1, which HTTP/2 has not (RFC 9113 8.6)', async () => {
    const client = await RawClient.open(limpet.port);
    client.send('GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
    await client.until((text) => text.includes('101 Switching'), 30_000);
    client.send('there and back');
    await client.until((text) => text.endsWith('there and back'), 30_000);
    client.close();
  });

  test('a session that is silent for too long is given up, and requests go on (behaviour 75)', async () => {
    // What is connected when it hangs says nothing more, and is not closed; what connects later is well.
    const stuck = new Set<Socket>();
    const relay = createTcpServer((socket) => {
      hung.add(socket);
      const onward = new (socket.constructor as typeof Socket)().connect(replica.port, '127.0.0.1');
      hung.add(onward);
      socket.on('data', (bytes) => void (stuck.has(socket) || onward.write(bytes)));
      onward.on('data', (bytes) => void (stuck.has(socket) || socket.write(bytes)));
      for (const one of [socket, onward]) one.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const { port } = relay.address() as AddressInfo;
    const own = await startLimpetProcess(
      `workers: 1\npools: { p: { backends: [{ id: a, url: "http://127.0.0.1:${port}" }], affinity: [], http2: true, timeouts: { response: 2s }, retry: { attempts: 0 }, health: { passive: null } } }\n`,
    );
    try {
      assert.equal((await ask(own.url)).status, 200);
      for (const socket of hung) stuck.add(socket);
      assert.equal((await ask(own.url)).code, 'BACKEND_TIMEOUT');
      assert.equal((await ask(own.url)).status, 200);
    } finally {
      await own.stop();
      relay.close();
    }
  });
});
