import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { call } from './call.ts';
import { folder, startAdmin } from './start-admin.ts';

const HEALTH = ['/healthz', '/readyz', '/metrics'];

async function openMany(t: TestContext, address: string, count: number, bytes = ''): Promise<Socket[]> {
  const { hostname, port } = new URL(address);
  const sockets = Array.from({ length: count }, () => connect({ host: hostname, port: Number(port) }));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) socket.on('error', () => {});
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  if (bytes !== '') for (const socket of sockets) socket.write(bytes);
  return sockets;
}

for (const bytes of [
  '',
  'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A',
  'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
]) {
  test(`L12: a thousand connections that say ${bytes === '' ? 'nothing' : JSON.stringify(bytes.slice(-8))} take away nothing`, async (t) => {
    const { address } = await startAdmin(t);
    await openMany(t, address, 600, bytes);
    await openMany(t, address, 400, bytes);
    for (const path of HEALTH) assert.equal((await call(address, 'GET', path)).status, 200, path);
    assert.equal((await call(address, 'GET', '/api/v1/pools')).status, 200);
  });
}

test('L12: while all places are in use by requests that last, there are some for probes and metrics alone', async (t) => {
  const { address } = await startAdmin(t);
  // Bodies that do not come.
  const post =
    'POST /api/v1/simulate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n';
  await openMany(t, address, 512, post);
  await eventually('all places to be in use', async () => {
    if ((await call(address, 'GET', '/api/v1/pools')).status === 503) return true;
    // One that had not been heard yet has made room for the one that asked.
    await openMany(t, address, 1, post);
    return false;
  });
  for (const path of HEALTH) {
    const answer = await call(address, 'GET', path);
    assert.deepEqual([answer.status, answer.headers.connection], [200, 'close'], path);
  }
});

test('L12: whoever says nothing of a request is gone after some seconds', async (t) => {
  const { address } = await startAdmin(t);
  const [silent] = await openMany(t, address, 1, 'GET / HTTP/1.1\r\n');
  const since = performance.now();
  silent!.resume();
  await once(silent!, 'close');
  const seconds = (performance.now() - since) / 1000;
  assert.ok(seconds > 4 && seconds < 9, `${seconds} s`);
});

test('L12: whoever does not read the answers takes away nothing', async (t) => {
  const path = join(folder(t), 'admin.sock');
  const { address, control } = await startAdmin(t, { bind: `unix:${path}` });
  // More than the system takes for a connection.
  const text = 'x'.repeat(600_000);
  let asked = 0;
  control.metrics = async () => {
    asked++;
    return { contentType: 'text/plain', text };
  };
  const sockets = Array.from({ length: 512 }, () => connect({ path }));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (const socket of sockets) {
    socket.on('error', () => {}).pause();
    socket.write('GET /metrics HTTP/1.1\r\nHost: limpet\r\n\r\n');
  }
  await eventually('all to have an answer', () => asked === 512);
  for (let n = 0; n < 100; n++) assert.equal((await call(address, 'GET', '/api/v1/pools')).status, 200);
  assert.equal((await call(address, 'GET', '/healthz')).status, 200);
});
