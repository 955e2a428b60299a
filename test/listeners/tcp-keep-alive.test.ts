import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect as connectHttp2, createSecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

/** Seconds until the system asks the other end of a connection for a sign of life; null: it never does. */
function asksIn(localPort: number, remotePort: number): number | null {
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const entry of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local, remote, , , timer] = entry.trim().split(/\s+/);
    if (!local?.endsWith(hex(localPort)) || !remote?.endsWith(hex(remotePort))) continue;
    // Timer 2 is this one; its time is in hundredths of a second.
    const [kind, when] = timer!.split(':');
    return kind === '02' ? Number.parseInt(when!, 16) / 100 : null;
  }
  return null;
}

describe('F7: TCP keepalive', { skip: process.platform !== 'linux' }, () => {
  const certificates = new Certificates();
  const servers: { listen(port: number, host: string): unknown; address(): unknown; close(): unknown }[] = [];
  const sockets = new Set<Socket>();
  let limpet: LimpetProcess;

  before(async () => {
    const { certPem, keyPem } = certificates.make('alive', { names: ['127.0.0.1'] });
    const tls = { cert: certPem, key: keyPem };
    const plain = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => response.end('ok'));
    const secure = createTlsServer(tls, (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    const http2 = createSecureServer(tls, (_request, response) => void response.end('ok'));
    for (const server of [plain, secure, http2]) {
      servers.push(server);
      server.on('connection', (socket: Socket) => sockets.add(socket));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const port = (at: number): number => (servers[at]!.address() as AddressInfo).port;
    const pool = (name: string, url: string, more = ''): string =>
      `  ${name}: { backends: [{ id: a, url: "${url}" }], affinity: [], tls: { verify: false }${more} }`;
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'listeners:',
        '  - { bind: "127.0.0.1:0" }',
        '  - { bind: "127.0.0.1:0", timeouts: { tcpKeepAlive: 0s } }',
        '  - { bind: "127.0.0.1:0", timeouts: { tcpKeepAlive: 20s } }',
        '  - { bind: "127.0.0.1:0", h2c: true }',
        'routes:',
        ...['off', 'short', 'tls', 'http2', 'plain'].map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        pool('plain', `http://127.0.0.1:${port(0)}`),
        pool('off', `http://127.0.0.1:${port(0)}`, ', timeouts: { tcpKeepAlive: 0s }'),
        pool('short', `http://127.0.0.1:${port(0)}`, ', timeouts: { tcpKeepAlive: 20s }'),
        pool('tls', `https://127.0.0.1:${port(1)}`),
        pool('http2', `https://127.0.0.1:${port(2)}`, ', http2: true'),
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    certificates.remove();
  });

  for (const [name, least, most] of [
    ['plain', 50, 60],
    ['off', null, null],
    ['short', 15, 20],
    ['tls', 50, 60],
    ['http2', 50, 60],
  ] as const) {
    test(`F7: towards backends, ${name}`, async () => {
      sockets.clear();
      const client = await RawClient.open(limpet.port);
      client.send(`GET /${name} HTTP/1.1\r\nHost: alive\r\n\r\n`);
      assert.match(await client.until(isWhole), /^HTTP\/1\.1 200 /);
      const [socket] = sockets;
      const [ours, theirs] = [socket!.remotePort!, socket!.localPort!];
      await eventually('the timer', () => {
        const seconds = asksIn(ours, theirs);
        return least === null ? seconds === null : seconds !== null && seconds > least && seconds <= most;
      });
      client.close();
    });
  }

  for (const [at, least, most] of [
    [0, 50, 60],
    [1, null, null],
    [2, 15, 20],
  ] as const) {
    test(`F7: towards clients, listener ${at}`, async () => {
      const client = await RawClient.open(limpet.ports[at]!);
      client.send('GET /plain HTTP/1.1\r\nHost: alive\r\n\r\n');
      await client.until(isWhole);
      await eventually('the timer', () => {
        const seconds = asksIn(limpet.ports[at]!, client.socket.localPort!);
        return least === null ? seconds === null : seconds !== null && seconds > least && seconds <= most;
      });
      client.close();
    });
  }

  test('F7: towards clients of HTTP/2', async () => {
    const session = connectHttp2(`http://127.0.0.1:${limpet.ports[3]}`);
    await once(session, 'connect');
    const { localPort } = session.socket;
    await eventually('the timer', () => (asksIn(limpet.ports[3]!, localPort!) ?? 0) > 50);
    session.destroy();
  });
});
