import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

/** More than a unix socket takes at once (net.core.wmem_default). */
const LONG = 'x'.repeat(900_000);

describe('L6: a first write of which the system took a part', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-partial-'));
  /** How many requests each backend has seen the beginning of. */
  const begun: Record<string, number> = { a: 0, b: 0 };
  const servers: Server[] = [];
  let limpet: LimpetProcess;

  before(async () => {
    for (const id of ['a', 'b']) {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => {
          begun[id]!++;
          socket.destroy();
        });
      });
      servers.push(server);
      server.listen(join(directory, id));
      await once(server, 'listening');
    }
    const backends = ['a', 'b'].map((id) => `{ id: ${id}, url: "unix:${join(directory, id)}" }`).join(', ');
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'listeners: [{ bind: "127.0.0.1:0", limits: { headerBytes: 1MiB } }]',
        `pools: { p: { backends: [${backends}], affinity: [], balance: round-robin, health: { passive: null } } }`,
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
  });

  test('L6: a POST whose head was taken in part is sent to nobody else', async () => {
    for (let n = 1; n <= 20; n++) {
      const client = await RawClient.open(limpet.port);
      client.send(`POST / HTTP/1.1\r\nHost: partial\r\nX-Long: ${LONG}\r\nContent-Length: 0\r\n\r\n`);
      const answer = await client.until(isWhole);
      client.close();
      assert.match(answer, /^HTTP\/1\.1 502 .*\r\nLimpet-Error: BACKEND_RESET\r\n/s);
      assert.equal(begun.a! + begun.b!, n);
    }
  });
});
