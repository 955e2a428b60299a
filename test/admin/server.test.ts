import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { AdminServer } from '../../src/admin/server.ts';
import { StartError } from '../../src/errors-start.ts';
import { call } from './call.ts';
import { FakeControlPlane } from './fake-control-plane.ts';
import { folder, noteLog, startAdmin } from './start-admin.ts';

function start(bind: string, tokenFile: string | null = null): Promise<AdminServer> {
  return AdminServer.start({ bind, tokenFile }, new FakeControlPlane(), noteLog().log);
}

function refused(bind: string, pattern: RegExp): Promise<void> {
  return assert.rejects(start(bind), (error) => {
    assert.ok(error instanceof StartError, String(error));
    assert.match(error.message, pattern);
    assert.equal(error.message.includes('\n'), false);
    return true;
  });
}

/** Sends bytes and gives everything that comes back until the server closes. */
async function raw(address: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(bytes);
  socket.setEncoding('latin1');
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text;
}

test('it listens on IPv4 and IPv6, and says where', async (t) => {
  const four = await startAdmin(t);
  assert.match(four.address, /^http:\/\/127\.0\.0\.1:\d+$/);
  const six = await startAdmin(t, { bind: '[::1]:0' });
  assert.match(six.address, /^http:\/\/\[::1\]:\d+$/);
  assert.equal((await call(six.address, 'GET', '/metrics')).status, 200);
});

test('a unix socket is for its owner alone, takes any Host, and goes when the server closes', async (t) => {
  const path = join(folder(t), 'admin.sock');
  const { server, address } = await startAdmin(t, { bind: `unix:${path}` });
  assert.equal(address, `unix:${path}`);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal((await call(address, 'GET', '/metrics', { headers: { Host: 'limpet' } })).status, 200);
  await server.close();
  assert.equal(existsSync(path), false);
});

test('a socket that a killed process left behind is replaced', async (t) => {
  const path = join(folder(t), 'admin.sock');
  // A socket that was bound and is not listened on any more, as after SIGKILL.
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.throws(() => execFileSync(process.execPath, ['-e', code], { stdio: 'ignore' }));
  assert.equal(statSync(path).isSocket(), true);
  const { address } = await startAdmin(t, { bind: `unix:${path}` });
  assert.equal((await call(address, 'GET', '/healthz')).status, 200);
});

test('a bind that fails is one line that says what to do', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await refused(`127.0.0.1:${port}`, /^admin\.bind: 127\.0\.0\.1:\d+ is in use/);
  const path = folder(t);
  await refused(`unix:${path}/none/admin.sock`, /the folder of .* is not there/);
  writeFileSync(join(path, 'file'), 'x');
  await refused(`unix:${path}/file`, /not a socket/);
  assert.equal(existsSync(join(path, 'file')), true, 'nothing that is not ours is removed');
  const { address } = await startAdmin(t, { bind: `unix:${path}/admin.sock` });
  await refused(`unix:${path}/admin.sock`, /another process listens/);
  assert.equal((await call(address, 'GET', '/healthz')).status, 200, 'the other one goes on');
  await refused('0.0.0.0:0', /set admin\.tokenFile/);
  await refused('127.0.0.1', /must be host:port/);
});

test('what is not HTTP, or not in time, is answered and costs only its own connection (69)', async (t) => {
  const { address, lines } = await startAdmin(t);
  for (const [bytes, status] of [
    ['\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400],
    ['GET / HTTP/9.9\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405],
  ] as const) {
    const text = await raw(address, bytes);
    assert.match(text, new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(bytes.slice(0, 40)));
  }
  assert.equal((await call(address, 'GET', '/healthz')).status, 200);
  assert.deepEqual(lines, []);
});

test('requests share a connection, and one for an upgrade is answered as the plain request that it is', async (t) => {
  const { address } = await startAdmin(t);
  const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;
  const text = await raw(
    address,
    get('/healthz') + get('/nothing') + get('/readyz', 'Connection: upgrade\r\nUpgrade: websocket\r\n'),
  );
  assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('a body that nobody asked for does not keep the answer waiting', async (t) => {
  const { address } = await startAdmin(t);
  const text = await raw(
    address,
    'DELETE /api/v1/sessions/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{',
  );
  assert.match(text, /^HTTP\/1\.1 204 [\s\S]*connection: close/i);
});

test('a client that leaves in the middle of its body is nobody to answer, and no error (69)', async (t) => {
  const { address, lines, control } = await startAdmin(t);
  const { hostname, port } = new URL(address);
  const socket: Socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  socket.write(
    'PATCH /api/v1/pools/shop/backends/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\nExpect: 100-continue\r\n\r\n{',
  );
  // The interim response says that the handler waits for the body.
  await once(socket, 'data');
  socket.resetAndDestroy();
  assert.equal((await call(address, 'GET', '/healthz')).status, 200);
  assert.deepEqual([lines, control.calls], [[], []]);
});

test('a close ends idle connections at once and busy ones at the deadline', async (t) => {
  const { server, address, control } = await startAdmin(t);
  const { hostname, port } = new URL(address);
  const idle = connect({ host: hostname, port: Number(port) });
  idle.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(idle, 'data');
  const idleClosed = once(idle, 'close');
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>();
  control.metrics = () => {
    isAsked();
    return new Promise(() => {});
  };
  const busy = call(address, 'GET', '/metrics');
  await asked;
  const closing = server.close(20);
  await assert.rejects(busy);
  await closing;
  await idleClosed;
});
