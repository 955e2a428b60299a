import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { Certificates } from '../support/certificates.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const CLIENTS = 10;
const ROUNDS = 3;
const BODY = 20_000_000;
const PAGE = 'the upload is too large';

/** Reads 8 KiB of a request, answers, and closes with the rest unread: the system sends an RST. */
function impatient(socket: Socket): void {
  let read = 0;
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    read += bytes.length;
    if (read < 8_192 || socket.isPaused()) return;
    socket.pause();
    const head = `HTTP/1.1 413 Content Too Large\r\nContent-Length: ${PAGE.length}\r\n\r\n`;
    socket.write(head + PAGE, () => socket.destroy());
  });
}

describe('F4: an answer that comes before the request has been read, and a reset behind it', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-early-'));
  const certificates = new Certificates();
  const servers: Server[] = [];
  let limpet: LimpetProcess;

  before(async () => {
    const { certPem, keyPem } = certificates.make('early', { names: ['127.0.0.1'] });
    servers.push(
      createServer(impatient),
      createServer(impatient),
      createTlsServer({ cert: certPem, key: keyPem }, impatient),
    );
    const path = join(directory, 'backend');
    servers[0]!.listen(0, '127.0.0.1');
    servers[1]!.listen(path);
    servers[2]!.listen(0, '127.0.0.1');
    await Promise.all(servers.map((server) => once(server, 'listening')));
    const port = (server: Server): number => (server.address() as AddressInfo).port;
    const pool = (name: string, url: string): string =>
      `  ${name}: { backends: [{ id: a, url: "${url}" }], affinity: [], health: { passive: null }, tls: { verify: false } }`;
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'routes:',
        ...['tcp', 'unix', 'tls'].map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        pool('tcp', `http://127.0.0.1:${port(servers[0]!)}`),
        pool('unix', `unix:${path}`),
        pool('tls', `https://127.0.0.1:${port(servers[2]!)}`),
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const server of servers) server.close();
    certificates.remove();
    rmSync(directory, { recursive: true });
  });

  for (const way of ['tcp', 'unix', 'tls']) {
    test(`F4: the client gets the answer, ${way}`, async () => {
      const answers: string[] = [];
      const upload = async (): Promise<void> => {
        const client = await RawClient.open(limpet.port);
        client.send(`POST /${way} HTTP/1.1\r\nHost: early\r\nContent-Length: ${BODY}\r\n\r\n`);
        client.send(Buffer.alloc(BODY, 'x'));
        answers.push(await client.until(isWhole, 20_000));
        client.close();
      };
      for (let round = 0; round < ROUNDS; round++) await Promise.all(Array.from({ length: CLIENTS }, upload));
      const statuses = answers.map((text) => text.slice(9, 12));
      assert.deepEqual(statuses, new Array(CLIENTS * ROUNDS).fill('413'));
      for (const text of answers) assert.ok(text.endsWith(PAGE));
    });
  }
});
