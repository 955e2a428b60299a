import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { HttpBackend } from '../../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';
import { RawBackend } from '../../support/raw-backend.ts';

/** What a client got for one request. */
interface Got {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly interim: Record<string, unknown>[];
  readonly body: string;
  readonly trailers: Record<string, unknown>;
  /** 0: the stream ended by END_STREAM. */
  readonly reset: number;
  readonly endedWell: boolean;
}

const backend = new HttpBackend('a');
let raw: RawBackend;
let limpet: LimpetProcess;
let client: ClientHttp2Session;

before(async () => {
  await backend.start();
  raw = await RawBackend.start(() => {});
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true, limits: { headerBytes: 8KiB }, timeouts: { keepAlive: 2s } }]
workers: 1
shutdown: { grace: 10s }
routes: [{ match: { path: /raw }, pool: raw }, { pool: app }]
pools:
  app: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] }
  raw: { backends: [{ id: r, url: "${raw.url}" }], affinity: [], timeouts: { idle: 20s } }
`);
  client = open();
});

after(async () => {
  client?.destroy();
  await limpet?.stop();
  await backend.stop();
  await raw?.stop();
});

function open(): ClientHttp2Session {
  const session = connect(limpet.url);
  session.on('error', () => {});
  return session;
}

/** The session that tests share; it is opened anew when the keepAlive timeout has closed it. */
function shared(): ClientHttp2Session {
  if (client.closed || client.destroyed) client = open();
  return client;
}

async function get(stream: ClientHttp2Stream): Promise<Got> {
  const interim: Record<string, unknown>[] = [];
  let headers: Record<string, unknown> = {};
  let trailers: Record<string, unknown> = {};
  let body = '';
  let endedWell = false;
  stream.on('headers', (fields) => interim.push(fields));
  stream.on('response', (fields) => {
    headers = fields;
  });
  stream.on('trailers', (fields) => {
    trailers = fields;
  });
  stream.on('error', () => {});
  stream.on('data', (bytes: Buffer) => {
    body += bytes.toString('latin1');
  });
  stream.on('end', () => {
    endedWell = !stream.aborted && stream.rstCode === 0;
  });
  if (!stream.closed || !stream.destroyed) await once(stream, 'close').catch(() => {});
  const status = Number(headers[':status'] ?? 0);
  return { status, headers, interim, body, trailers, reset: stream.rstCode, endedWell };
}

function ask(fields: Record<string, string | string[]>, body: string | null = null): Promise<Got> {
  const stream = shared().request(fields, { endStream: body === null });
  if (body !== null) stream.end(body);
  return get(stream);
}

test('a request goes to a backend of HTTP/1.1 and comes back', async () => {
  const got = await ask({ ':path': '/x?y=1', 'x-a': 'b' });
  assert.equal(got.status, 200);
  assert.equal(got.headers.connection, undefined);
  assert.equal(got.endedWell, true);
  const seen = JSON.parse(got.body) as { headers: Record<string, string> };
  assert.equal(seen.headers.host, `127.0.0.1:${limpet.port}`);
  assert.equal(seen.headers['x-a'], 'b');
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1');
});

test('behaviour 7: cookie crumbs reach the backend as one line', async () => {
  const got = await ask({ ':path': '/', cookie: ['a=1', 'b=2', 'c=3'] });
  assert.equal((JSON.parse(got.body) as { headers: { cookie: string } }).headers.cookie, 'a=1; b=2; c=3');
});

test('bodies of every kind of length arrive whole', async () => {
  const body = 'x'.repeat(300_000);
  const chunked = JSON.parse((await ask({ ':path': '/', ':method': 'POST' }, body)).body) as Record<string, unknown>;
  assert.equal(chunked.bytes, body.length);
  const known = await ask({ ':path': '/', ':method': 'POST', 'content-length': String(body.length) }, body);
  assert.equal((JSON.parse(known.body) as { bytes: number }).bytes, body.length);
  const empty = await ask({ ':path': '/', ':method': 'POST' }, '');
  assert.equal((JSON.parse(empty.body) as { bytes: number }).bytes, 0);
});

test('behaviour 58: trailers pass in both directions', async () => {
  backend.answer = (request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { Trailer: 'x-sum' });
      response.write('hello');
      setImmediate(() => {
        response.addTrailers({ 'x-sum': '42', 'x-got': String(request.trailers['x-sent']) });
        response.end();
      });
    });
  };
  const stream = shared().request({ ':path': '/', ':method': 'POST' }, { waitForTrailers: true } as object);
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sent': 'yes' }));
  stream.end('body');
  const got = await get(stream);
  assert.equal(got.body, 'hello');
  assert.equal(got.trailers['x-sum'], '42');
  assert.equal(got.trailers['x-got'], 'yes');
  assert.equal(got.endedWell, true);
});

test('behaviour 56: 1xx responses come before the final one', async () => {
  backend.answer = (_, response) => {
    response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'] }, () => response.end('ok'));
  };
  const got = await ask({ ':path': '/' });
  assert.deepEqual(
    got.interim.map((fields) => fields[':status']),
    [103],
  );
  assert.match(String(got.interim[0]!.link), /a\.css.*b\.js/);
  assert.equal(got.body, 'ok');
});

test('behaviour 56: the body waits for 100 Continue', async () => {
  backend.answer = (request, response) => {
    let bytes = 0;
    request.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    request.on('end', () => response.end(String(bytes)));
  };
  const stream = shared().request({ ':path': '/', ':method': 'POST', expect: '100-continue', 'content-length': '4' });
  await once(stream, 'continue');
  stream.end('body');
  assert.equal((await get(stream)).body, '4');
});

test('behaviour 66: field lines of one name keep their number and order', async () => {
  backend.answer = (_, response) => {
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.end();
  };
  assert.deepEqual((await ask({ ':path': '/' })).headers['set-cookie'], ['a=1', 'b=2']);
});

test('HEAD, 204, 205 and 304 have no body and end well', async () => {
  for (const status of [204, 205, 304]) {
    backend.answer = (_, response) => response.writeHead(status).end();
    const got = await ask({ ':path': '/' });
    assert.equal(got.status, status);
    assert.equal(got.endedWell, true);
  }
  backend.answer = (_, response) => response.writeHead(200, { 'content-length': '10' }).end();
  const head = await ask({ ':path': '/', ':method': 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-length'], '10');
});

test('behaviour 64: a response that breaks off resets its stream, in every framing, and no other', async () => {
  const heads = ['Content-Length: 100\r\n\r\npart', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'];
  for (const head of heads) {
    raw.answer = ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}`);
      setTimeout(() => socket.destroy(), 20);
    };
    backend.answer = (_, response) => void setTimeout(() => response.end('whole'), 100);
    const other = ask({ ':path': '/' });
    const got = await ask({ ':path': '/raw' });
    assert.equal(got.status, 200);
    assert.equal(got.body, 'part');
    assert.equal(got.reset, constants.NGHTTP2_INTERNAL_ERROR);
    assert.equal(got.endedWell, false);
    assert.equal((await other).body, 'whole');
  }
});

test('behaviour 72: what a backend must not say is 502', async () => {
  raw.answer = ({ socket }) => socket.write('HTTP/1.1 200 O\x01K\r\n\r\n');
  const got = await ask({ ':path': '/raw' });
  assert.equal(got.status, 502);
  assert.equal(got.headers['limpet-error'], 'BACKEND_PROTOCOL');
  raw.answer = ({ socket }) => socket.write('HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n');
  assert.equal((await ask({ ':path': '/raw' })).status, 502);
});

test('a head over limits.headerBytes is 431', async () => {
  const got = await ask({ ':path': '/', 'x-large': 'a'.repeat(9_000) });
  assert.equal(got.status, 431);
  assert.equal(got.endedWell, true);
});

test('behaviour 67: CONNECT is 405', async () => {
  const stream = shared().request({ ':method': 'CONNECT', ':authority': 'x.test:80' });
  const got = await get(stream);
  assert.equal(got.status, 405);
  assert.equal(got.reset, constants.NGHTTP2_NO_ERROR);
});

test('behaviour 57: an early answer is delivered while the upload runs, and the upload is stopped', async () => {
  raw.answer = ({ socket }) => {
    raw.answer = () => {};
    socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
  };
  const stream = shared().request({ ':path': '/raw', ':method': 'POST' });
  stream.write('x'.repeat(10_000));
  const got = get(stream);
  await once(stream, 'response');
  const pump = (): void => {
    while (!stream.destroyed && !stream.writableEnded && stream.write('x'.repeat(16_384)));
    if (!stream.destroyed) stream.once('drain', pump);
  };
  pump();
  const { status, body, reset } = await got;
  assert.equal(status, 413);
  assert.equal(body, 'no');
  assert.equal(reset, constants.NGHTTP2_NO_ERROR);
});

test('behaviour 62: a slow reader holds the backend back, and costs bounded memory', async () => {
  let written = 0;
  const block = Buffer.alloc(65_536, 'x');
  backend.answer = (_, response) => {
    const pump = (): void => {
      while (written < 64 * 1_048_576) {
        written += block.length;
        if (!response.write(block)) return void response.once('drain', pump);
      }
      response.end();
    };
    pump();
  };
  const stream = shared().request({ ':path': '/' });
  await once(stream, 'response');
  stream.pause();
  let before = -1;
  await eventually('the backend to be held back', async () => {
    const still = written === before;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return still && before === written;
  });
  assert.ok(written < 32 * 1_048_576, `${written} bytes`);
  let read = 0;
  stream.on('data', (bytes: Buffer) => {
    read += bytes.length;
  });
  stream.resume();
  await once(stream, 'end');
  assert.equal(read, 64 * 1_048_576);
});

test('behaviour 62: a backend that does not read holds the client back', async () => {
  let held: { pause(): void; resume(): void } | null = null;
  raw.answer = (connection) => {
    held = connection.socket;
    connection.socket.pause();
    connection.text = '';
  };
  const stream = shared().request({ ':path': '/raw', ':method': 'POST' });
  stream.on('error', () => {});
  let sent = 0;
  const block = Buffer.alloc(65_536);
  const pump = (): void => {
    while (sent < 64 * 1_048_576) {
      sent += block.length;
      if (!stream.write(block)) return void stream.once('drain', pump);
    }
  };
  pump();
  let before = -1;
  await eventually('the client to be held back', async () => {
    const still = sent === before && held !== null;
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 500));
    return still && before === sent;
  });
  assert.ok(sent < 32 * 1_048_576, `${sent} bytes`);
  stream.close(constants.NGHTTP2_CANCEL);
  held!.resume();
});

test('behaviour 35: a client that resets its stream leaves the backend alone', async () => {
  const closed = Promise.withResolvers<void>();
  const came = Promise.withResolvers<void>();
  backend.answer = (request) => {
    request.socket.once('close', () => closed.resolve());
    came.resolve();
  };
  const stream = shared().request({ ':path': '/leave' });
  stream.on('error', () => {});
  await came.promise;
  stream.close(constants.NGHTTP2_CANCEL);
  await closed.promise;
  const line = await limpet.logged((one) => one.msg === 'request' && one.path === '/leave');
  assert.equal(line.status, 499);
});

test('an idle connection is closed with GOAWAY after timeouts.keepAlive', async () => {
  const session = open();
  const gone = once(session, 'goaway');
  const closed = once(session, 'close');
  const [code] = (await gone) as [number];
  assert.equal(code, constants.NGHTTP2_NO_ERROR);
  await closed;
});

test('behaviour 46: a graceful stop says GOAWAY and finishes what is under way', async () => {
  const session = open();
  const came = Promise.withResolvers<void>();
  const may = Promise.withResolvers<void>();
  backend.answer = (_, response) => {
    came.resolve();
    void may.promise.then(() => response.end('finished'));
  };
  const stream = session.request({ ':path': '/' });
  const got = get(stream);
  await came.promise;
  const goaway = once(session, 'goaway');
  const exit = once(limpet.process, 'exit');
  limpet.process.kill('SIGTERM');
  assert.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR);
  may.resolve();
  assert.equal((await got).body, 'finished');
  assert.deepEqual(await exit, [0, null]);
});
