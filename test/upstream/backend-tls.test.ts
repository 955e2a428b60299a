import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ask } from '../support/ask.ts';
import { Certificates, days } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';

interface Seen {
  readonly name: string | false | null;
  readonly alpn: string | false | null;
  readonly resumed: boolean;
  readonly client: string | undefined;
  readonly proto: string | undefined;
}

/** A server that says how it was spoken to, and digests what it is sent. */
async function secureServer(options: ServerOptions) {
  const server = createServer(options, (request, response) => {
    const socket = request.socket as TLSSocket & { readonly servername?: string | false };
    const hash = createHash('sha256');
    request.on('data', (bytes: Buffer) => hash.update(bytes));
    request.on('end', () => {
      const seen: Seen = {
        name: socket.servername ?? null,
        alpn: socket.alpnProtocol,
        resumed: socket.isSessionReused(),
        client: socket.getPeerCertificate()?.subject?.CN as string | undefined,
        proto: request.headers['x-forwarded-proto'] as string | undefined,
      };
      response.setHeader('X-Digest', hash.digest('hex'));
      if (request.url!.endsWith('/close')) response.setHeader('Connection', 'close');
      response.end(request.url!.endsWith('/large') ? Buffer.alloc(3_000_000, 'limpet') : JSON.stringify(seen));
    });
  });
  server.on('tlsClientError', () => {});
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `https://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

suite('TLS to the backends', () => {
  const files = new Certificates();
  const authority = files.make('authority', { authority: true });
  const good = files.make('good', { names: ['127.0.0.1', 'app.internal'], by: authority });
  const named = files.make('named', { names: ['app.internal'], by: authority });
  const expired = files.make('expired', { names: ['127.0.0.1'], by: authority, from: days(-9), to: days(-2) });
  const stranger = files.make('stranger', { names: ['127.0.0.1'] });
  const client = files.make('client', { by: authority });
  const servers: Awaited<ReturnType<typeof secureServer>>[] = [];
  let limpet: LimpetProcess;

  before(async () => {
    const serve = async (options: ServerOptions) => {
      const server = await secureServer(options);
      servers.push(server);
      return server;
    };
    const goodServer = await serve({ cert: good.certPem, key: good.keyPem });
    const namedServer = await serve({ cert: named.certPem, key: named.keyPem });
    const expiredServer = await serve({ cert: expired.certPem, key: expired.keyPem });
    const strangeServer = await serve({ cert: stranger.certPem, key: stranger.keyPem });
    const strictServer = await serve({
      cert: good.certPem,
      key: good.keyPem,
      ca: authority.certPem,
      requestCert: true,
      rejectUnauthorized: true,
    });
    const ca = `ca: ${authority.cert}`;
    files.write('changing.pem', stranger.certPem);
    const probes = 'health: { active: { path: /, interval: 1s, timeout: 1s, rise: 1, fall: 3 } }';
    const pools: Record<string, string> = {
      good: `backends: [{ id: a, url: "${goodServer.url}" }], tls: { ${ca} }`,
      named: `backends: [{ id: a, url: "${namedServer.url}" }], tls: { ${ca}, serverName: app.internal }`,
      unnamed: `backends: [{ id: a, url: "${namedServer.url}" }], tls: { ${ca} }`,
      expired: `backends: [{ id: a, url: "${expiredServer.url}" }], tls: { ${ca} }`,
      stranger: `backends: [{ id: a, url: "${strangeServer.url}" }], tls: { ${ca} }`,
      system: `backends: [{ id: a, url: "${goodServer.url}" }]`,
      any: `backends: [{ id: a, url: "${strangeServer.url}" }], tls: { verify: false }`,
      strict: `backends: [{ id: a, url: "${strictServer.url}" }], tls: { ${ca}, cert: ${client.cert}, key: ${client.key} }`,
      bare: `backends: [{ id: a, url: "${strictServer.url}" }], tls: { ${ca} }`,
      both: `backends: [{ id: a, url: "${strangeServer.url}" }, { id: b, url: "${goodServer.url}" }], tls: { ${ca} }, balance: round-robin`,
      probed: `backends: [{ id: a, url: "${strangeServer.url}" }, { id: b, url: "${goodServer.url}" }], tls: { ${ca} }, ${probes}`,
      changing: `backends: [{ id: a, url: "${goodServer.url}" }], tls: { ca: ${files.path('changing.pem')} }, ${probes}`,
    };
    const names = Object.keys(pools);
    const routes = names.map((name) => `  - { match: { path: /${name} }, pool: ${name} }`).join('\n');
    const yaml = names.map((name) => `  ${name}: { affinity: [], ${pools[name]} }`).join('\n');
    limpet = await startLimpetProcess(`workers: 1\nlog: { level: debug }\nroutes:\n${routes}\npools:\n${yaml}\n`);
  });

  after(async () => {
    await limpet?.stop();
    for (const server of servers) server.close();
    files.remove();
  });

  const seen = async (path: string): Promise<Seen> => {
    const { status, body } = await ask(limpet.url + path);
    assert.equal(status, 200, body);
    return JSON.parse(body) as Seen;
  };
  const refused = async (path: string, why: RegExp) => {
    const { status, code } = await ask(limpet.url + path);
    assert.deepEqual([status, code], [502, 'BACKEND_CONNECT'], path);
    await limpet.logged((line) => line.msg === 'attempt failed' && why.test(String(line.why)));
  };

  test('a certificate of the authority that is named and for the host of the url is accepted', async () => {
    const { name, alpn, proto } = await seen('/good');
    // RFC 6066 3: an address is not asked for by name. What the client spoke to limpet is what the backend is told.
    assert.deepEqual([name || '', alpn, proto], ['', 'http/1.1', 'http']);
  });

  test('serverName is asked for (SNI), and the certificate is held against it', async () => {
    assert.equal((await seen('/named')).name, 'app.internal');
    await refused('/unnamed', /ALTNAME/);
  });

  test('certificates that have expired, of a stranger or of an authority that is not named are refused by default', async () => {
    await refused('/expired', /CERT_HAS_EXPIRED/);
    await refused('/stranger', /DEPTH_ZERO_SELF_SIGNED_CERT/);
    await refused('/system', /UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT/);
  });

  test('verify: false takes any', async () => {
    assert.equal((await seen('/any')).alpn, 'http/1.1');
  });

  test('a client certificate is shown where one is named', async () => {
    assert.equal((await seen('/strict')).client, 'client');
    const { status, code } = await ask(`${limpet.url}/bare`);
    // TLS 1.3: the server says no only after the handshake.
    assert.equal(status, 502);
    assert.match(code, /^BACKEND_(?:RESET|CONNECT)$/);
  });

  test('the second connection goes on with the session of the first', async () => {
    await seen('/good/close');
    assert.equal((await seen('/good/close')).resumed, true);
  });

  test('a backend whose certificate is refused has been sent nothing: any method goes to the next one', async () => {
    for (let i = 0; i < 4; i++) {
      const { status } = await ask(`${limpet.url}/both`, { method: 'POST', body: 'once' });
      assert.equal(status, 200);
    }
  });

  test('large bodies pass both ways unchanged', async () => {
    const body = Buffer.alloc(5_000_000, 'session');
    const answer = await ask(`${limpet.url}/good/large`, { method: 'POST', body });
    assert.equal(answer.headers['x-digest'], createHash('sha256').update(body).digest('hex'));
    assert.equal(answer.body, Buffer.alloc(3_000_000, 'limpet').toString());
  });

  test('an upgrade passes through TLS', async () => {
    const socket = await RawClient.open(limpet.port);
    socket.send('GET /good HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
    await socket.until((text) => text.includes('101 Switching'));
    socket.send('there and back');
    await socket.until((text) => text.endsWith('there and back'));
    socket.close();
  });

  test('probes speak TLS and refuse what traffic refuses', async () => {
    const line = await limpet.logged(
      (one) => one.pool === 'probed' && one.backend === 'a' && one.msg === 'backend is down',
      30_000,
    );
    assert.match(JSON.stringify(line), /self-signed certificate/);
    assert.equal((await seen('/probed')).alpn, 'http/1.1');
  });

  test('files are read again at a reload, and when a probe finds that they do not do any more', async () => {
    await eventually(
      'the pool is out',
      async () => (await ask(`${limpet.url}/changing`)).code === 'NO_BACKEND',
      30_000,
    );
    files.write('changing.pem', authority.certPem);
    assert.equal((await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' })).status, 200);
    await eventually('the pool is back', async () => (await ask(`${limpet.url}/changing`)).status === 200, 30_000);
  });
});
