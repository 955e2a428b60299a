import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { findFreePort } from '../../src/demo/demo-ports.ts';

const host = '127.0.0.1';

test('a free port is given as it was wanted, and not given twice', async () => {
  const wanted = await findFreePort(host, 0, new Set());
  const taken = new Set<number>();
  assert.equal(await findFreePort(host, wanted, taken), wanted);
  const other = await findFreePort(host, wanted, taken);
  assert.notEqual(other, wanted);
  assert.deepEqual([...taken], [wanted, other]);
});

test('a port that somebody listens on is passed over', async (context) => {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.notEqual(await findFreePort(host, port, new Set()), port);
});

test('a port shared by the threads of another load balancer (SO_REUSEPORT) is passed over too', async (context) => {
  const server = createServer().listen({ port: 0, host, reusePort: true });
  await once(server, 'listening');
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.notEqual(await findFreePort(host, port, new Set()), port);
});
