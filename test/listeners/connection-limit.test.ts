import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const LIMIT = 50;
const CLIENTS = 1_500;

/** A client that says how its connection went. */
interface Client {
  readonly socket: Socket;
  text: string;
  error: string;
}

describe('L13: limits.connections: who comes above it waits, and nobody is closed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-full-'));
  const path = join(directory, 'front');
  const backend = new HttpBackend('a', (_request, response) => response.end('ok'));
  const clients: Client[] = [];

  before(async () => {
    await backend.start();
  });
  after(async () => {
    for (const { socket } of clients) socket.destroy();
    await backend.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  function open(to: { port: number; host: string } | { path: string }): Client {
    const client: Client = { socket: connect(to), text: '', error: '' };
    clients.push(client);
    client.socket.setEncoding('latin1').on('data', (text: string) => {
      client.text += text;
    });
    client.socket.on('error', ({ code = 'error' }: NodeJS.ErrnoException) => {
      client.error = code;
    });
    return client;
  }

  const start = (workers: number, bind: string, openFiles?: number): Promise<LimpetProcess> =>
    startLimpetProcess(
      [
        `workers: ${workers}`,
        `listeners: [{ bind: "${bind}"${openFiles === undefined ? `, limits: { connections: ${LIMIT} }` : ''} }]`,
        'log: { access: false }',
        `pools: { p: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`,
      ].join('\n'),
      openFiles === undefined ? {} : { openFiles },
    );

  const ask = (client: Client, close: boolean): void => {
    client.text = '';
    client.socket.write(`GET / HTTP/1.1\r\nHost: full\r\n${close ? 'Connection: close\r\n' : ''}\r\n`);
  };

  for (const [what, workers, bind, openFiles] of [
    ['one worker', 1, '127.0.0.1:0', undefined],
    ['three workers', 3, '127.0.0.1:0', undefined],
    ['a unix socket', 1, `unix:${path}`, undefined],
    ['few open files', 2, '127.0.0.1:0', 300],
  ] as const) {
    test(`L13: ${CLIENTS} connect at once, ${what}`, async (t) => {
      const limpet = await start(workers, bind, openFiles);
      t.after(() => limpet.stop());
      const admin = new Admin(limpet.admin);
      const to = bind.startsWith('unix:') ? { path } : { port: limpet.port, host: '127.0.0.1' };
      clients.length = 0;
      const first = Array.from({ length: 10 }, () => open(to));
      for (const client of first) ask(client, false);
      await eventually('the first answers', () => first.every(({ text }) => text.endsWith('ok')));
      for (let n = 0; n < CLIENTS; n += 100) {
        const some = Array.from({ length: 100 }, () => open(to));
        await Promise.all(some.map(({ socket }) => once(socket, 'connect')));
      }
      if (openFiles === undefined) {
        await eventually('as many as are allowed', async () => (await admin.connections()) >= LIMIT);
        assert.equal(await admin.connections(), LIMIT);
      }
      assert.deepEqual(
        clients.filter(({ error, socket }) => error !== '' || socket.readableEnded),
        [],
      );
      // Those who are in are served, and those who wait come in as others leave.
      const rest = clients.slice(10);
      for (const client of rest) ask(client, true);
      await eventually(
        'all answers',
        () => rest.every(({ text, error }) => text.endsWith('ok') || error !== ''),
        60_000,
      );
      assert.deepEqual([...new Set(clients.map(({ error }) => error))], ['']);
      for (const client of first) ask(client, false);
      await eventually('further answers', () => first.every(({ text }) => text.endsWith('ok')));
    });
  }

  test('L13: a stop while others wait ends in good order', async (t) => {
    const limpet = await start(1, '127.0.0.1:0');
    t.after(() => limpet.stop());
    clients.length = 0;
    const to = { port: limpet.port, host: '127.0.0.1' };
    for (let n = 0; n < LIMIT + 20; n++) await once(open(to).socket, 'connect');
    await limpet.logged(({ msg }) => msg === 'connection limit reached: new connections wait');
    limpet.process.kill('SIGTERM');
    await once(limpet.process, 'exit');
    assert.equal(limpet.process.exitCode, 0);
  });
});
