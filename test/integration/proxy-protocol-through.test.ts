import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Certificates } from '../support/certificates.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { proxyV1, proxyV2, tcp4 } from '../support/proxy-header.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const REQUEST = 'GET /one HTTP/1.1\r\nHost: x\r\n\r\n';
const MS = 20_000;

suite('sendProxyProtocol behind a PROXY header: the backend is told of the first client', () => {
  const made = new Certificates();
  let backend: RawBackend;
  let limpet: LimpetProcess;

  before(async () => {
    backend = await RawBackend.start(({ text, socket }) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    made.make('edge', { names: ['edge.example'] });
    const pair = `{ cert: ${made.path('edge.pem')}, key: ${made.path('edge.key')} }`;
    limpet = await startLimpetProcess(`workers: 2
listeners:
  - { bind: "127.0.0.1:0", proxyProtocol: any, h2c: true }
  - { bind: "127.0.0.1:0", proxyProtocol: any, tls: { certificates: [${pair}] } }
  - { bind: "127.0.0.1:0" }
trustedProxies: ["127.0.0.1"]
routes: [{ match: { path: /one }, pool: one }, { pool: two }]
pools:
  one: { backends: [{ id: a, url: "${backend.url}" }], affinity: [], sendProxyProtocol: v1 }
  two: { backends: [{ id: a, url: "${backend.url}" }], affinity: [], sendProxyProtocol: v2 }
`);
  });

  after(async () => {
    await limpet?.stop();
    await backend.stop();
    made.remove();
  });

  /** What the backend got on the connections that were opened meanwhile. */
  const got = async (work: () => Promise<void>): Promise<string[]> => {
    const before = backend.connections.length;
    await work();
    return backend.connections.slice(before).map(({ text }) => text);
  };

  const raw = async (port: number, ...pieces: (string | Buffer)[]): Promise<void> => {
    const client = await RawClient.open(port);
    for (const piece of pieces) client.send(piece);
    assert.match(await client.until(isWhole, MS), /^HTTP\/1\.1 200 /);
    client.close();
  };

  test('with its address and port and where it had come in, from either version to either', async () => {
    const [v1] = await got(() => raw(limpet.ports[0]!, proxyV1('192.0.2.7', 41_234), REQUEST));
    assert.match(v1!, /^PROXY TCP4 192\.0\.2\.7 127\.0\.0\.1 41234 443\r\nGET \/one HTTP\/1\.1\r\n/);
    const [six] = await got(() => raw(limpet.ports[0]!, proxyV1('2001:db8::7', 41_235), REQUEST));
    assert.match(six!, /^PROXY TCP6 2001:db8::7 ::1 41235 443\r\nGET /);
    const [fromV2] = await got(() => raw(limpet.ports[0]!, proxyV2(0x21, 0x11, tcp4('192.0.2.8')), REQUEST));
    assert.match(fromV2!, /^PROXY TCP4 192\.0\.2\.8 127\.0\.0\.1 40000 443\r\nGET /);
    const header = proxyV1('192.0.2.9', 0x9c40);
    const [toV2] = await got(() => raw(limpet.ports[0]!, header, REQUEST.replace('/one', '/two')));
    const expected = proxyV2(0x21, 0x11, tcp4('192.0.2.9')).toString('latin1');
    assert.ok(toV2!.startsWith(`${expected}GET /two `), JSON.stringify(toV2));
  });

  test('each client on a connection of its own, though they come through one proxy', async () => {
    const texts = await got(async () => {
      for (const port of [50_001, 50_002, 50_001]) await raw(limpet.ports[0]!, proxyV1('192.0.2.7', port), REQUEST);
    });
    const lines = new Set(texts.map((text) => text.slice(0, text.indexOf('\r\n'))));
    assert.deepEqual(
      [...lines].sort(),
      [50_001, 50_002].map((port) => `PROXY TCP4 192.0.2.7 127.0.0.1 ${port} 443`),
    );
    for (const text of texts) assert.equal(text.match(/PROXY /g)?.length, 1);
  });

  test('through TLS and HTTP/2', async () => {
    const [secure] = await got(async () => {
      const below = connectTcp(limpet.ports[1]!, '127.0.0.1');
      below.write(proxyV1('192.0.2.10', 42_000));
      const socket = connectTls({ socket: below, rejectUnauthorized: false });
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      socket.on('data', (bytes) => resolve(bytes.toString('latin1'))).on('error', reject);
      socket.write(REQUEST);
      assert.match(await promise, /^HTTP\/1\.1 200 /);
      socket.destroy();
    });
    assert.match(secure!, /^PROXY TCP4 192\.0\.2\.10 127\.0\.0\.1 42000 443\r\nGET \/one /);
    const [multiplexed] = await got(async () => {
      const below = connectTcp(limpet.ports[0]!, '127.0.0.1');
      below.write(proxyV1('192.0.2.11', 43_000));
      const session = connectHttp2(limpet.url, { createConnection: () => below });
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      session.on('error', reject);
      const stream = session.request({ ':path': '/one' });
      stream.on('response', (head) => resolve(head[':status'] ?? 0)).on('error', reject);
      stream.resume();
      assert.equal(await promise, 200);
      session.destroy();
    });
    assert.match(multiplexed!, /^PROXY TCP4 192\.0\.2\.11 127\.0\.0\.1 43000 443\r\nGET \/one /);
  });

  test('65: a client that X-Forwarded-For names has come by a port that nobody knows', async () => {
    const named = REQUEST.replace('\r\n\r\n', '\r\nX-Forwarded-For: 192.0.2.12\r\n\r\n');
    const [text] = await got(() => raw(limpet.ports[2]!, named));
    assert.match(text!, /^PROXY TCP4 192\.0\.2\.12 127\.0\.0\.1 0 \d+\r\nGET \/one /);
  });
});
