import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { RedisConnection } from '../../../../src/sessions/store/redis/connection.ts';
import { RawBackend } from '../../../support/raw-backend.ts';

/** ms that what is left of a connection may take to go. */
const PATIENCE = 5_000;

const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

test('a connection to a Cluster that is closed while it asks for the slots leaves nothing behind', async (t) => {
  const asked = Promise.withResolvers<void>();
  let ready = false;
  const server = await RawBackend.start((connection) => {
    const { socket } = connection;
    for (;;) {
      const command = /^\*\d+\r\n(?:\$\d+\r\n.*\r\n)*?(?=\*|$)/.exec(connection.text)?.[0];
      if (command === undefined || command === '') return;
      connection.text = connection.text.slice(command.length);
      const words = command.split('\r\n').filter((_, i) => i > 0 && i % 2 === 0);
      const name = words.slice(0, 2).join(' ').toLowerCase();
      if (name === 'cluster slots') {
        // The one that is asked for once all is well gets no answer.
        if (ready) asked.resolve();
        else socket.write(`*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n${bulk('127.0.0.1')}:${server.port}\r\n${bulk('one')}`);
      } else if (name === 'cluster info') socket.write(bulk('cluster_state:ok\r\n'));
      else if (words[0]?.toLowerCase() === 'info') socket.write(bulk('loading:0\r\n'));
      else socket.write('+OK\r\n');
    }
  });
  t.after(() => server.stop());

  const before = timers();
  const opened = Promise.withResolvers<void>();
  const connection = await RedisConnection.open(
    {
      url: 'redis://127.0.0.1:6379/0',
      sentinels: [],
      cluster: [{ host: '127.0.0.1', port: server.port }],
      prefix: 'limpet:',
      whenDown: 'local',
    },
    { onReady: opened.resolve },
  );
  await opened.promise;
  ready = true;
  await asked.promise;
  connection.close();
  const until = performance.now() + PATIENCE;
  while (timers() > before && performance.now() < until) await turn();
  assert.equal(timers(), before);
});
