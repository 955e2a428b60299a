import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';

suite('backends on unix sockets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-unix-'));
  const path = (id: string) => join(directory, `${id} app.sock`);
  const servers = new Map<string, Server>();
  let limpet: LimpetProcess;
  const connections = new Set<object>();

  const start = async (id: string) => {
    const server = createServer((request, response) => {
      // Probes have connections of their own.
      if (request.url !== '/probe') connections.add(request.socket);
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => response.setHeader('X-Backend', id).end(`${request.headers.host} ${bytes}`));
    });
    servers.set(id, server);
    server.listen(path(id));
    await once(server, 'listening');
  };
  const stop = (id: string) => {
    servers.get(id)!.closeAllConnections();
    servers.get(id)!.close();
    servers.delete(id);
  };

  before(async () => {
    await start('a');
    await start('b');
    const probes = 'health: { active: { path: /probe, interval: 1s, timeout: 1s, rise: 1, fall: 3 } }';
    limpet = await startLimpetProcess(
      `workers: 1\npools: { p: { backends: [{ id: a, url: "unix:${path('a')}", replicas: [b] }, { id: b, url: "http://unix:${path('b')}:", weight: 0 }], ${probes} } }\n`,
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const id of [...servers.keys()]) stop(id);
    rmSync(directory, { recursive: true, force: true });
  });

  test('requests go through them with the host that the client named, on connections that are kept', async () => {
    const body = Buffer.alloc(1_000_000);
    const first = await ask(limpet.url, { method: 'POST', body, headers: { host: 'shop.example' } });
    assert.deepEqual([first.status, first.body, first.backend], [200, 'shop.example 1000000', 'a']);
    const before = connections.size;
    for (let i = 0; i < 20; i++) assert.equal((await ask(limpet.url)).status, 200);
    assert.ok(connections.size - before < 10, `${connections.size - before} connections`);
  });

  test('a request without a Host goes as localhost', async () => {
    const client = await RawClient.open(limpet.port);
    client.send('GET / HTTP/1.0\r\n\r\n');
    assert.match(await client.until((text) => text.includes('localhost')), /\r\n\r\nlocalhost 0$/);
    client.close();
  });

  test('when nobody listens there any more its sessions go to the replica, and probes say so (behaviours 27, 33)', async () => {
    const { cookie, backend } = await ask(limpet.url);
    assert.equal(backend, 'a');
    stop('a');
    const moved = await ask(limpet.url, { method: 'POST', body: 'x', headers: { cookie } });
    assert.deepEqual([moved.status, moved.backend], [200, 'b']);
    const line = await limpet.logged((one) => one.msg === 'backend is down' && one.backend === 'a', 30_000);
    // Whichever the probe meets: a connection that ended with the server, or the socket's name that nobody listens on
    // or that is gone.
    assert.match(String(line.reason), /ENOENT|ECONNREFUSED|ECONNRESET|EPIPE|closed/);
    await start('a');
    await eventually('a is up again', async () => (await ask(limpet.url)).backend === 'a', 30_000);
  });
});
