import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';
import { tcpQueues } from '../support/tcp-queues.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('F6: a client that ends its side', () => {
  const certificates = new Certificates();
  let backend: RawBackend;
  let limpet: LimpetProcess;
  const clients: { destroy(): void }[] = [];

  before(async () => {
    backend = await RawBackend.start(() => {});
    const { cert, key } = certificates.make('half', { names: ['127.0.0.1'] });
    const abort = 'limits: { halfClose: abort }';
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'listeners:',
        '  - { bind: "127.0.0.1:0" }',
        `  - { bind: "127.0.0.1:0", ${abort} }`,
        `  - { bind: "127.0.0.1:0", ${abort}, tls: { certificates: [{ cert: "${cert}", key: "${key}" }] } }`,
        'pools:',
        `  p: { backends: [{ id: a, url: "${backend.url}", maxRequests: 1 }], affinity: [], timeouts: { queue: 60s }, retry: { bodyBuffer: 1MiB } }`,
      ].join('\n'),
    );
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const { socket } of backend.connections.splice(0)) socket.destroy();
    backend.answer = () => {};
  });
  after(async () => {
    await limpet?.stop();
    await backend?.stop();
    certificates.remove();
  });

  async function open(port: number): Promise<RawClient> {
    const client = await RawClient.open(port);
    clients.push(client.socket);
    return client;
  }

  function openTls(port: number): TLSSocket {
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true } as never);
    client.on('error', () => {});
    clients.push(client);
    return client;
  }

  /** One that holds the only place at the backend. */
  async function holder(): Promise<RawClient> {
    const client = await open(limpet.ports[0]!);
    client.send('GET /hold HTTP/1.1\r\nHost: half\r\n\r\n');
    await eventually('the first request', () => backend.text.includes('/hold'));
    return client;
  }

  /** How a request of that path ended, by the access log. */
  const ended = (path: string) => limpet.logged((line) => line.msg === 'request' && line.path === path);

  /** The place is given away: whoever waited for it has come to the backend behind this. */
  async function pass(first: RawClient): Promise<void> {
    backend.answer = (connection) => {
      if (connection.text.includes('/next')) connection.socket.write(OK);
    };
    const next = await open(limpet.ports[0]!);
    next.send('GET /next HTTP/1.1\r\nHost: half\r\n\r\n');
    for (const { socket } of backend.connections) socket.write(OK);
    await first.until(isWhole);
    await next.until(isWhole);
  }

  for (const [what, body] of [
    ['a GET', ''],
    ['a prompt', 'x'.repeat(1_000)],
    ['a long prompt', 'x'.repeat(50_000)],
    ['a very long prompt', 'x'.repeat(200_000)],
  ] as const) {
    const head = (path: string): string =>
      body === ''
        ? `GET ${path} HTTP/1.1\r\nHost: half\r\n\r\n`
        : `POST ${path} HTTP/1.1\r\nHost: half\r\nContent-Length: ${body.length}\r\n\r\n`;

    test(`F6: abort takes ${what} out of the queue`, async () => {
      const first = await holder();
      const path = `/queued-${body.length}`;
      const client = await open(limpet.ports[1]!);
      client.send(head(path));
      client.send(body);
      client.socket.end();
      assert.equal((await ended(path)).status, 499);
      await client.end();
      await pass(first);
      assert.ok(!backend.text.includes(path));
    });
  }

  test('F6: abort takes a request out of the queue, TLS', async () => {
    const first = await holder();
    const client = openTls(limpet.ports[2]!);
    client.write(`POST /queued-tls HTTP/1.1\r\nHost: half\r\nContent-Length: 50000\r\n\r\n`);
    client.end('x'.repeat(50_000));
    assert.equal((await ended('/queued-tls')).status, 499);
    await pass(first);
    assert.ok(!backend.text.includes('/queued-tls'));
  });

  test('F6: abort takes a request out that is under way: the backend is told', async () => {
    for (const [path, answer] of [
      ['/under-way', ''],
      ['/half-answered', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ] as const) {
      const client = await open(limpet.ports[1]!);
      client.send(`GET ${path} HTTP/1.1\r\nHost: half\r\n\r\n`);
      await eventually('the request', () => backend.text.includes(path));
      const { socket } = backend.connections.find(({ text }) => text.includes(path))!;
      if (answer !== '') {
        socket.write(answer);
        await client.until((text) => text.endsWith('half'));
      }
      client.socket.end();
      await eventually('the end', () => socket.readableEnded || socket.destroyed);
      assert.equal((await ended(path)).error, 'CLIENT_GONE');
    }
  });

  test('F6: with allow, the default, it still gets its answer (behaviour 60)', async () => {
    const first = await holder();
    const client = await open(limpet.ports[0]!);
    client.send('GET /next HTTP/1.1\r\nHost: half\r\n\r\n');
    client.socket.end();
    await pass(first);
    assert.match(await client.until(isWhole), /^HTTP\/1\.1 200 /);
  });

  test('F6: with allow a reset takes it out, also while its body is not read', async () => {
    const first = await holder();
    const client = await open(limpet.ports[0]!);
    client.send('POST /reset HTTP/1.1\r\nHost: half\r\nContent-Length: 500000\r\n\r\n');
    client.send('x'.repeat(100_000));
    await eventually('bytes that nobody reads', () => tcpQueues(limpet.port, client.socket.localPort!).unread > 0);
    client.socket.resetAndDestroy();
    assert.equal((await ended('/reset')).status, 499);
    await pass(first);
    assert.ok(!backend.text.includes('/reset'));
  });
});
