import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect as connectPlain } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { type CertificateFiles, Certificates } from '../support/certificates.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';
import { tlsVisit } from '../support/tls-client.ts';

const made = new Certificates();
const backend = new HttpBackend('a');
let authority: CertificateFiles;
let stranger: CertificateFiles;
const files = new Map<string, CertificateFiles>();

before(async () => {
  authority = made.make('authority', { authority: true });
  stranger = made.make('stranger', { authority: true });
  for (const [name, names] of [
    ['first', ['first.example', '127.0.0.1']],
    ['wild', ['*.shop.example']],
    ['exact', ['api.shop.example']],
  ] as const)
    files.set(name, made.make(name, { names, by: authority }));
  await backend.start();
});
after(async () => {
  await backend.stop();
  made.remove();
});

const pool = (more = ''): string => `pools: { p: { backends: [{ id: a, url: "${backend.url}" }]${more} } }\n`;
const listed = (...names: string[]): string =>
  `certificates: [${names.map((name) => `{ cert: "${made.path(`${name}.pem`)}", key: "${made.path(`${name}.key`)}" }`).join(', ')}]`;
const listener = (tls: string, more = ''): string => `listeners: [{ bind: "127.0.0.1:0", tls: { ${tls} }${more} }]\n`;

async function start(t: TestContext, yaml: string): Promise<LimpetProcess> {
  const limpet = await startLimpetProcess(yaml + (/^workers:/m.test(yaml) ? '' : 'workers: 1\n'));
  t.after(limpet.stop);
  return limpet;
}

function bodyOf(text: string): { headers: Record<string, string> } {
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as { headers: Record<string, string> };
}

test('10: behind TLS the backend hears https and the cookie is Secure; the address is shown as https', async (t) => {
  const limpet = await start(t, listener(listed('first')) + pool());
  assert.match(limpet.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const request = 'GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: http\r\n\r\n';
  const { text, certificate } = await tlsVisit(limpet.port, {
    request,
    ca: authority.certPem,
    rejectUnauthorized: true,
  });
  assert.equal(certificate, 'first');
  const { headers } = bodyOf(text);
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.match(headers.forwarded!, /proto=https/);
  assert.match(text, /\r\nSet-Cookie: limpet=[^\r]*; Secure/i);
});

test('a certificate is chosen by the name that the client asks for, exact before wildcard, the first one otherwise', async (t) => {
  const limpet = await start(t, listener(listed('first', 'wild', 'exact')) + pool());
  const chosen = async (servername: string): Promise<string> =>
    (await tlsVisit(limpet.port, servername === '' ? {} : { servername })).certificate;
  assert.equal(await chosen('first.example'), 'first');
  assert.equal(await chosen('www.shop.example'), 'wild');
  assert.equal(await chosen('WWW.Shop.example'), 'wild');
  assert.equal(await chosen('api.shop.example'), 'exact');
  assert.equal(await chosen('a.b.shop.example'), 'first', 'a wildcard stands for one label');
  assert.equal(await chosen('shop.example'), 'first');
  assert.equal(await chosen('other.example'), 'first');
  assert.equal(await chosen(''), 'first');
});

describe('what is refused', () => {
  test('protocol versions below minVersion', async (t) => {
    const limpet = await start(t, listener(listed('first')) + pool());
    const old = { ciphers: 'DEFAULT@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;
    await assert.rejects(tlsVisit(limpet.port, old), { code: /ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/ });
    assert.equal((await tlsVisit(limpet.port, { maxVersion: 'TLSv1.2' })).protocol, 'TLSv1.2');
    const strict = await start(t, listener(`${listed('first', 'wild')}, minVersion: TLSv1.3`) + pool());
    for (const servername of ['first.example', 'www.shop.example']) {
      await assert.rejects(tlsVisit(strict.port, { servername, maxVersion: 'TLSv1.2' }), { code: /PROTOCOL_VERSION/ });
      assert.equal((await tlsVisit(strict.port, { servername })).protocol, 'TLSv1.3');
    }
    const admin = new Admin(strict.admin);
    await eventually(
      'the refusals to be counted',
      async () => (await admin.metric('limpet_tls_handshake_failures_total', { reason: 'protocol' })) === 2,
    );
  });

  test('clients without a certificate, with one of another authority, and with one that has expired', async (t) => {
    const limpet = await start(
      t,
      `${listener(`${listed('first', 'wild')}, clientCa: "${authority.cert}"`)}log: { level: debug }\n${pool()}`,
    );
    const good = made.make('client', { by: authority });
    const foreign = made.make('foreign', { by: stranger });
    const late = made.make('late', {
      by: authority,
      from: new Date(Date.now() - 20 * 86_400_000),
      to: new Date(Date.now() - 86_400_000),
    });
    const own = made.make('own');
    for (const servername of ['first.example', 'www.shop.example']) {
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const ok = await tlsVisit(limpet.port, { servername, maxVersion, cert: good.certPem, key: good.keyPem });
        assert.match(ok.text, /^HTTP\/1\.1 200 /);
        const session = ok.session!;
        const again = await tlsVisit(limpet.port, {
          servername,
          maxVersion,
          cert: good.certPem,
          key: good.keyPem,
          session,
        });
        assert.match(again.text, /^HTTP\/1\.1 200 /);
        assert.equal(again.resumed, true, 'a client that was verified comes back with its ticket');
        await assert.rejects(tlsVisit(limpet.port, { servername, maxVersion }));
        for (const bad of [foreign, late, own]) {
          await assert.rejects(
            tlsVisit(limpet.port, { servername, maxVersion, cert: bad.certPem, key: bad.keyPem }),
            'no answer to a bad certificate',
          );
        }
      }
    }
    const seen = backend.seen.length;
    const admin = new Admin(limpet.admin);
    const refused = await eventually('the refusals to be counted', async () => {
      const count = await admin.metric('limpet_tls_handshake_failures_total', { reason: 'certificate' });
      return count >= 16 && count;
    });
    assert.equal(refused, 16);
    assert.equal(backend.seen.length, seen);
    assert.ok(limpet.log.some((line) => line.msg === 'TLS handshake failed' && line.level === 'debug'));
    assert.equal(await admin.metric('limpet_tls_handshakes_total', { resumed: 'true' }), 4);
    assert.equal(await admin.metric('limpet_tls_handshakes_total', { resumed: 'false' }), 4);
  });

  test('70: handshakes that are never finished, and what is no TLS, without harm to the others', async (t) => {
    const limpet = await start(t, listener(listed('first'), ', timeouts: { header: 1s }') + pool());
    const mute = connectPlain(limpet.port, '127.0.0.1');
    const plain = connectPlain(limpet.port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
    const gone = connectPlain(limpet.port, '127.0.0.1', () => gone.end(Buffer.from([22, 3, 1])));
    const closed = [mute, plain].map(
      (socket) =>
        new Promise((resolve) =>
          socket
            .on('error', () => {})
            .on('close', resolve)
            .resume(),
        ),
    );
    assert.match((await tlsVisit(limpet.port)).text, /^HTTP\/1\.1 200 /);
    await Promise.all(closed);
    const admin = new Admin(limpet.admin);
    for (const reason of ['timeout', 'protocol', 'closed']) {
      await eventually(
        `one failure by ${reason}`,
        async () => (await admin.metric('limpet_tls_handshake_failures_total', { reason })) === 1,
      );
    }
    await eventually('all of them to be gone', async () => (await admin.connections()) === 0);
  });
});

test('clients that come back resume their TLS session, whichever of two workers takes the connection', async (t) => {
  const limpet = await start(t, `workers: 2\n${listener(listed('first', 'wild'))}${pool()}`);
  const visits = 400;
  let resumed = 0;
  const workers = new Set<string>();
  for (const [servername, maxVersion] of [
    ['first.example', 'TLSv1.3'],
    ['first.example', 'TLSv1.2'],
    ['www.shop.example', 'TLSv1.3'],
    ['www.shop.example', 'TLSv1.2'],
  ] as const) {
    let { session } = await tlsVisit(limpet.port, { servername, maxVersion });
    for (let i = 0; i < visits / 4; i++) {
      const visit = await tlsVisit(limpet.port, { servername, maxVersion, session: session! });
      if (visit.resumed) resumed++;
      session = visit.session ?? session;
      workers.add(/"x-request-id":"([\w-]+)-\w+"/.exec(visit.text)![1]!);
    }
  }
  t.diagnostic(`${resumed} of ${visits} connections resumed`);
  assert.equal(workers.size, 2, 'both workers took part');
  assert.ok(resumed > visits * 0.99, `${resumed} of ${visits} resumed`);
  const admin = new Admin(limpet.admin);
  await eventually(
    'resumptions to be counted',
    async () => (await admin.metric('limpet_tls_handshakes_total', { resumed: 'true' })) === resumed,
  );
});

describe('HTTP/2', () => {
  const curl = async (...args: string[]): Promise<string> =>
    (
      await promisify(execFile)('curl', [
        '-sSk',
        '--max-time',
        '20',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code} %{http_version}',
        ...args,
      ])
    ).stdout;

  test('is agreed upon by ALPN, where the listener offers it', async (t) => {
    const limpet = await start(t, listener(listed('first')) + pool());
    assert.equal(await curl('--http2', `${limpet.url}/`), '200 2');
    assert.equal(backend.seen.at(-1)!.headers['x-forwarded-proto'], 'https');
    assert.equal(await curl('--http1.1', `${limpet.url}/`), '200 1.1');
    assert.equal(await curl('--http1.0', `${limpet.url}/`), '200 1.1');
    const old = await start(t, listener(`${listed('first')}, alpn: [http/1.1]`) + pool());
    assert.equal(await curl('--http2', `${old.url}/`), '200 1.1');
  });

  test('is understood on a plain listener with h2c, next to HTTP/1.1', async (t) => {
    const limpet = await start(
      t,
      `listeners: [{ bind: "127.0.0.1:0", h2c: true, timeouts: { header: 1s } }]\n${pool()}`,
    );
    assert.equal(await curl('--http2-prior-knowledge', `${limpet.url}/`), '200 2');
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'PROPFIND'])
      assert.equal(await curl('--http1.1', '-X', method, `${limpet.url}/`), '200 1.1', method);
    const client = await RawClient.open(limpet.port);
    for (const byte of 'PRI * HTTP/2.0\r\n\r\nSX') client.send(byte);
    assert.match(await client.end(20_000), /^HTTP\/1\.1 400 /, 'almost the preface');
    const half = await RawClient.open(limpet.port);
    half.send('PRI');
    assert.equal(await half.end(20_000), '', 'no more than its begin');
    await eventually('all of them to be gone', async () => (await new Admin(limpet.admin).connections()) === 0);
  });
});

describe('reload', () => {
  test('44: other certificates come into effect, and no connection is dropped', async (t) => {
    made.make('changing', { names: ['one.example'], by: authority });
    const limpet = await start(t, `workers: 2\n${listener(listed('changing'))}${pool()}`);
    const file = new ConfigFile(limpet);
    const open: TLSSocket[] = [];
    t.after(() => {
      for (const socket of open) socket.destroy();
    });
    for (let i = 0; i < 8; i++) open.push((await tlsVisit(limpet.port, { keep: true })).socket);
    const serial = (await peer(limpet.port)).serialNumber;
    assert.equal(open[0]!.getPeerCertificate().serialNumber, serial);

    made.make('changing', { names: ['one.example'], by: authority });
    assert.deepEqual(await file.reload('api'), ['listeners.127.0.0.1:0.tls (content of its files)']);
    for (let i = 0; i < 8; i++) assert.notEqual((await peer(limpet.port)).serialNumber, serial);
    for (const socket of open) assert.match(await again(socket), /^HTTP\/1\.1 200 /);

    file.replace(listed('changing'), listed('wild'));
    await file.reload('signal');
    assert.equal((await tlsVisit(limpet.port)).certificate, 'wild');
    file.replace(`tls: { ${listed('wild')} }`, 'tls: null');
    await file.reload('api');
    assert.equal((await ask(`http://127.0.0.1:${limpet.port}/`)).status, 200, 'no TLS any more');
    for (const socket of open) assert.match(await again(socket), /^HTTP\/1\.1 200 /, 'and what was open stays open');
  });

  test('44: a file that is no good refuses the reload, says why, and changes nothing', async (t) => {
    const { certPem, keyPem } = made.make('damaged', { by: authority });
    const limpet = await start(t, listener(listed('damaged')) + pool());
    const before = (await peer(limpet.port)).serialNumber;
    const refusal = async (): Promise<string> => {
      const { status, body } = await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
      assert.equal(status, 422);
      assert.equal((await peer(limpet.port)).serialNumber, before);
      return body;
    };
    made.write('damaged.key', files.get('wild')!.keyPem);
    assert.match(
      await refusal(),
      /"listeners\[0\]\.tls\.certificates\[0\]\.key",\s*"message": "\S*damaged\.key is not the key of/,
    );
    made.write('damaged.key', keyPem);
    made.write('damaged.pem', 'nothing');
    assert.match(await refusal(), /certificates\[0\]\.cert",\s*"message": "\S*damaged\.pem holds no certificate/);
    made.write('damaged.pem', certPem);
    assert.equal((await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' })).status, 200);
  });
});

describe('HTTP/1.1 over TLS', () => {
  test('62: large bodies pass both ways, and a slow reader does not make limpet keep them', async (t) => {
    const size = 20_000_000;
    const payload = Buffer.alloc(size, 'limpet ');
    backend.answer = (request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => {
        response.setHeader('X-Received', bytes);
        response.setHeader('Content-Length', size);
        response.end(payload);
      });
    };
    t.after(() => {
      backend.answer = echo;
    });
    const limpet = await start(t, listener(listed('first')) + pool());
    const socket = connect({ host: '127.0.0.1', port: limpet.port, rejectUnauthorized: false });
    t.after(() => socket.destroy());
    socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
    socket.write(payload);
    let text = '';
    let received = 0;
    const same = await new Promise<boolean>((resolve, reject) => {
      let ok = true;
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed')));
      socket.on('data', (bytes: Buffer) => {
        let body = bytes;
        if (received === 0 && !text.includes('\r\n\r\n')) {
          text += bytes.toString('latin1');
          const end = text.indexOf('\r\n\r\n');
          if (end < 0) return;
          body = Buffer.from(text.slice(end + 4), 'latin1');
          text = text.slice(0, end + 4);
        }
        ok &&= body.equals(payload.subarray(received, received + body.length));
        received += body.length;
        if (received === size) resolve(ok);
      });
    });
    assert.equal(same, true);
    assert.match(text, new RegExp(`X-Received: ${size}`, 'i'));
  });

  test('60, 61: pipelined requests are answered in order, also after the client has closed its side', async (t) => {
    const limpet = await start(t, listener(listed('first')) + pool());
    const socket = halfOpen(limpet.port);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    const ended = new Promise((resolve) => socket.on('end', resolve));
    socket.end(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    await ended;
    assert.equal(text.match(/HTTP\/1\.1 200 /g)?.length, 3);
    socket.destroy();
  });

  test('64: a response to HTTP/1.0 that breaks off ends in a reset', async (t) => {
    backend.answer = (_request, response) => {
      response.write('half of it');
      setTimeout(() => response.destroy(), 50);
    };
    t.after(() => {
      backend.answer = echo;
    });
    const limpet = await start(t, listener(listed('first')) + pool());
    const socket = connect({ host: '127.0.0.1', port: limpet.port, rejectUnauthorized: false });
    const error = new Promise<NodeJS.ErrnoException>((resolve, reject) => {
      socket.on('error', resolve);
      socket.on('end', () => reject(new Error('it looked whole')));
    });
    socket.resume().write('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
    assert.equal((await error).code, 'ECONNRESET');
  });

  test('46: a graceful stop ends idle connections and lets a response finish', async (t) => {
    const finish: (() => void)[] = [];
    backend.answer = (_request, response) => {
      response.write('first ');
      finish.push(() => response.end('last'));
    };
    t.after(() => {
      backend.answer = echo;
    });
    const limpet = await start(t, `${listener(listed('first'))}shutdown: { grace: 30s }\n${pool()}`);
    const visit = tlsVisit(limpet.port);
    await eventually('the request at the backend', () => finish.length > 0);
    await eventually('the begin of the answer', async () => (await new Admin(limpet.admin).connections()) === 1);
    limpet.process.kill('SIGTERM');
    await limpet.logged((line) => line.msg === 'limpet stops', 20_000);
    finish[0]!();
    assert.match((await visit).text, /first .*last/s);
    await eventually('the end of the process', () => limpet.process.exitCode === 0, 20_000);
  });
});

async function peer(port: number): Promise<{ serialNumber: string }> {
  const { socket } = await tlsVisit(port, { keep: true });
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return { serialNumber };
}

/** Another request on an open connection. */
function again(socket: TLSSocket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
  socket.once('close', () => reject(new Error('the connection was dropped')));
  socket.write('GET /again HTTP/1.1\r\nHost: x\r\n\r\n');
  return promise;
}

/** A connection whose own end is not that of the other side. */
function halfOpen(port: number): TLSSocket {
  const options: ConnectionOptions & { allowHalfOpen: boolean } = {
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    allowHalfOpen: true,
  };
  return connect(options);
}
