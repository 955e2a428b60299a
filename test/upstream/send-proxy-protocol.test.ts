import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { type BackendConnection, RawBackend } from '../support/raw-backend.ts';

/** Answers each head with 200; those of probes too. */
function answer(connection: BackendConnection): void {
  const { text, socket } = connection;
  if (text.endsWith('\r\n\r\n') && text.includes(' HTTP/1.1'))
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
}

suite('sendProxyProtocol', () => {
  const files = new Certificates();
  const own = files.make('own', { names: ['127.0.0.1'] });
  let one: RawBackend;
  let two: RawBackend;
  let secure: SecureServer;
  let front: ReturnType<typeof createServer>;
  const secureHeaders: string[] = [];
  let limpet: LimpetProcess;

  before(async () => {
    one = await RawBackend.start(answer);
    two = await RawBackend.start(answer);
    secure = createSecureServer({ cert: own.certPem, key: own.keyPem }, (_request, response) => response.end('secret'));
    // Reads the line in front of the handshake, byte by byte so that nothing of the handshake is lost.
    front = createServer((socket) => {
      let line = '';
      const read = () => {
        for (let byte = socket.read(1) as Buffer | null; byte !== null; byte = socket.read(1) as Buffer | null) {
          line += byte.latin1Slice();
          if (!line.endsWith('\n')) continue;
          socket.off('readable', read);
          secureHeaders.push(line);
          secure.emit('connection', socket);
          return;
        }
      };
      socket.on('readable', read);
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(front, 'listening');
    const { port } = front.address() as AddressInfo;
    const probes = 'health: { active: { path: /probe, interval: 1s, timeout: 1s } }';
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'trustedProxies: [127.0.0.9]',
        'routes: [{ match: { path: /two }, pool: two }, { match: { path: /tls }, pool: tls }, { pool: one }]',
        'pools:',
        `  one: { backends: [{ id: a, url: "${one.url}" }], affinity: [], sendProxyProtocol: v1 }`,
        `  two: { backends: [{ id: a, url: "${two.url}" }], affinity: [], sendProxyProtocol: v2, ${probes} }`,
        `  tls: { backends: [{ id: a, url: "https://127.0.0.1:${port}" }], affinity: [], sendProxyProtocol: v1, tls: { ca: ${own.cert} } }`,
        '',
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await one?.stop();
    await two?.stop();
    front?.close();
    secure?.closeAllConnections();
    files.remove();
  });

  test('each connection to the backend begins with one header, and serves one client only', async () => {
    const first = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.5' } as object);
    const second = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.6' } as object);
    for (const agent of [first, second, first, second, first]) {
      assert.equal(
        (await ask(limpet.url, { agent, headers: { 'x-turn': agent === first ? 'first' : 'second' } })).status,
        200,
      );
    }
    assert.equal(one.connections.length, 2);
    for (const [index, { text }] of one.connections.entries()) {
      const [line] = text.split('\r\n');
      assert.match(line!, new RegExp(`^PROXY TCP4 127\\.0\\.0\\.${5 + index} 127\\.0\\.0\\.1 \\d+ ${limpet.port}$`));
      assert.equal(text.match(/PROXY/g)!.length, 1);
      assert.equal(text.match(/^GET /gm)!.length, index === 0 ? 3 : 2);
      assert.ok(!text.includes(index === 0 ? 'x-turn: second' : 'x-turn: first'));
    }
    first.destroy();
    second.destroy();
  });

  test('behind a trusted proxy the client is the one that it names, by no port', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.9' } as object);
    const from = one.connections.length;
    for (const client of ['192.0.2.1', '192.0.2.2', '192.0.2.1']) {
      await ask(limpet.url, { agent, headers: { 'x-forwarded-for': client } });
    }
    const lines = one.connections.slice(from).map(({ text }) => text.split('\r\n')[0]);
    assert.deepEqual(
      lines,
      ['192.0.2.1', '192.0.2.2'].map((client) => `PROXY TCP4 ${client} 127.0.0.1 0 ${limpet.port}`),
    );
    agent.destroy();
  });

  test('version 2 is sent to clients as PROXY and by probes as LOCAL', async () => {
    await ask(`${limpet.url}/two`);
    await eventually('a probe', () => two.connections.some(({ text }) => text.includes('/probe')), 30_000);
    for (const { text } of two.connections) {
      // One that was opened a moment ago.
      if (!text.endsWith('\r\n\r\n')) continue;
      const hex = Buffer.from(text.slice(0, 28), 'latin1').toString('hex');
      const wanted = text.includes('/probe')
        ? /^0d0a0d0a000d0a515549540a20000000/
        : /^0d0a0d0a000d0a515549540a2111000c7f0000017f000001/;
      assert.match(hex, wanted);
    }
  });

  test('with TLS the header goes in front of the handshake', async () => {
    const { status, body } = await ask(`${limpet.url}/tls`);
    assert.deepEqual([status, body], [200, 'secret']);
    assert.match(secureHeaders[0]!, /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/);
  });
});
