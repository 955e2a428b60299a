import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { BackendTls } from '../../src/backends/backend-tls.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';
import { BackendSigns } from '../../src/health/backend-signs.ts';
import { Restarts } from '../../src/health/restarts.ts';
import type { OpeningEvents } from '../../src/sockets/byte-socket.ts';
import { Http2Dialer } from '../../src/upstream/http2-dialer.ts';
import { SocketDialer } from '../../src/upstream/socket-dialer.ts';
import { testPool } from '../backends/test-pool.ts';
import { eventually } from '../support/eventually.ts';

const REFUSED = Object.assign(new Error('ECONNREFUSED'), { code: 'ECONNREFUSED', syscall: 'connect' });

/** A session with a backend that has answered and refuses new connections now; nothing is under way on it. */
async function suspected(t: TestContext) {
  const server = createServer();
  const sessions: Http2Session[] = [];
  server.on('session', (session) => sessions.push(session));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const session of sessions) session.destroy();
  });
  const { pool, state } = testPool([{ id: 'a', url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }]);
  const backend = pool.backends[0]!;
  const log = { warn: () => {} };
  const looks: number[] = [];
  const signs = new BackendSigns({
    state,
    restarts: new Restarts({ count: () => {}, log, now: () => 0 }),
    log,
    onLastLost: (slot) => looks.push(slot),
    onRelieved: () => {},
    now: () => 0,
  });
  const tls = BackendTls.read(pool.name, pool.config.tls);
  const dialer = new Http2Dialer(backend, tls, new SocketDialer(backend, tls, 'off'), signs);
  const { promise: open, resolve: onOpen } = Promise.withResolvers<void>();
  const events = { onOpen, onClose: () => {} } as unknown as OpeningEvents;
  const stream = dialer.dial({ upgrade: '', personal: false, pool } as unknown as Exchange, events);
  await open;
  stream.destroy();
  backend.life.answer();
  signs.refused(backend, signs.begins(backend), REFUSED);
  assert.deepEqual([signs.stand(backend), backend.life.number], [1, 1]);
  const closed = () => eventually('the session to have closed', () => signs.stand(backend) === 0);
  return { dialer, backend, looks, sessions, closed };
}

test('M1: a session that limpet closes while its backend refuses connections has not told of its end: somebody looks', async (t) => {
  const { dialer, backend, looks, closed } = await suspected(t);
  assert.equal(dialer.closeIdle(), true);
  await closed();
  assert.deepEqual([backend.life.number, looks.length], [1, 1]);
});

test('M1: a session that the backend closes meanwhile has', async (t) => {
  const { backend, looks, sessions, closed } = await suspected(t);
  for (const session of sessions) session.destroy();
  await closed();
  assert.deepEqual([backend.life.number, looks.length], [2, 0]);
});
