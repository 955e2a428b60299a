import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttp2Server, type Http2Session } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRefusal } from '../../src/backends/is-refusal.ts';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { BackendSigns } from '../../src/health/backend-signs.ts';
import { httpProbe } from '../../src/health/http-probe.ts';
import { Lifeline } from '../../src/health/lifeline.ts';
import type { ProbeFactory, ProbeResult } from '../../src/health/probe.ts';
import { Restarts } from '../../src/health/restarts.ts';
import { tcpProbe } from '../../src/health/tcp-probe.ts';
import { Witness } from '../../src/health/witness.ts';
import { testPool } from '../backends/test-pool.ts';
import { eventually } from '../support/eventually.ts';

interface Listening {
  readonly port: number;
  /** Connections that are open right now. */
  readonly sockets: Set<Socket>;
  accepted: number;
}

async function listen(t: TestContext, server: Server, host = '127.0.0.1'): Promise<Listening> {
  const listening = { port: 0, sockets: new Set<Socket>(), accepted: 0 };
  server.on('connection', (socket: Socket) => {
    listening.accepted++;
    listening.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => listening.sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  listening.port = (server.address() as AddressInfo).port;
  t.after(() => {
    server.close();
    for (const socket of listening.sockets) socket.destroy();
  });
  return listening;
}

function http(t: TestContext, answer: RequestListener): Promise<Listening> {
  return listen(t, createHttpServer(answer));
}

/** A server that answers a connection with `bytes` (or nothing) and then hangs. */
function raw(t: TestContext, bytes: string | null): Promise<Listening> {
  return listen(
    t,
    createServer((socket) => {
      socket.resume();
      if (bytes !== null) socket.write(bytes, 'latin1');
    }),
  );
}

/** A port of this machine where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function check(
  factory: ProbeFactory,
  port: number,
  active: object = {},
  signal = new AbortController().signal,
  host = '127.0.0.1',
): Promise<ProbeResult> {
  const written = { interval: '60s', timeout: '30s', ...active };
  const config = poolSchema.parse({ health: { active: written } }).health.active;
  const { pool } = testPool([{ id: 'a', url: `http://${host}:${port}` }]);
  return factory(config!, pool.config, 'shop').check(pool.backends[0]!, signal);
}

/** Until the server has seen all its connections end. */
async function allClosed({ sockets }: Listening): Promise<void> {
  for (const socket of [...sockets]) if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

const OK: ProbeResult = { ok: true };

const LISTEN_WITH_SMALL_QUEUE = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => process.stdout.write(String(server.address().port)));
`;

test('an HTTP probe sends the request that is configured, with the authority of the backend', async (t) => {
  const requests: unknown[] = [];
  const server = await http(t, ({ method, url, headers }, response) => {
    requests.push({ method, url, host: headers.host, agent: headers['user-agent'], connection: headers.connection });
    response.end('well');
  });
  assert.deepEqual(await check(httpProbe, server.port, { path: '/ready?deep=1', method: 'HEAD' }), OK);
  const host = `127.0.0.1:${server.port}`;
  assert.deepEqual(requests, [{ method: 'HEAD', url: '/ready?deep=1', host, agent: 'limpet', connection: 'close' }]);
});

test('H5: a probe has the host and the header fields that are configured, over HTTP/1.1 and HTTP/2', async (t) => {
  const asked: unknown[] = [];
  const active = { host: 'shop.example:8000', headers: { 'X-Probe': 'yes, me', 'User-Agent': 'mine' } };
  const answer: RequestListener = ({ headers }, response) => {
    const { host = headers[':authority'], 'x-probe': probe, 'user-agent': agent, accept } = headers;
    asked.push({ host, probe, agent, accept });
    // As Django does.
    response.statusCode = host === 'shop.example:8000' ? 200 : 400;
    response.end();
  };
  const one = await http(t, answer);
  assert.deepEqual(await check(httpProbe, one.port, active), OK);
  const two = await listen(t, createHttp2Server(answer as never));
  const config = poolSchema.parse({ health: { active: { interval: '60s', timeout: '30s', ...active } } });
  const { pool } = testPool([{ id: 'a', url: `http://127.0.0.1:${two.port}` }], { http2: true });
  const probe = httpProbe(config.health.active!, pool.config, 'shop');
  assert.deepEqual(await probe.check(pool.backends[0]!, new AbortController().signal), OK);
  const said = { host: 'shop.example:8000', probe: 'yes, me', agent: 'mine', accept: '*/*' };
  assert.deepEqual(asked, [said, said]);
});

test('M1: the connection of a probe over HTTP/2 stays for its end, as over HTTP/1.1', async (t) => {
  const answer: RequestListener = (_, response) => void response.end('well');
  for (const http2 of [false, true]) {
    const server = http2 ? createHttp2Server(answer as never) : createHttpServer(answer);
    const sessions: Http2Session[] = [];
    server.on('session', (session: Http2Session) => sessions.push(session));
    const listening = await listen(t, server);
    const { pool, state } = testPool([{ id: 'a', url: `http://127.0.0.1:${listening.port}` }], { http2 });
    const backend = pool.backends[0]!;
    const log = { warn: () => {} };
    const restarts = new Restarts({ count: () => {}, log, now: Date.now });
    const signs = new BackendSigns({ state, restarts, log, onLastLost() {}, onRelieved() {}, now: Date.now });
    let lost = 0;
    const lifeline = new Lifeline(backend, signs, () => lost++);
    const config = poolSchema.parse({ health: { active: { interval: '60s', timeout: '30s' } } }).health.active!;
    const probe = httpProbe(config, pool.config, 'shop');
    for (let nth = 0; nth < 3; nth++) {
      assert.deepEqual(await probe.check(backend, new AbortController().signal, new Witness(lifeline)), OK);
      // What the client does behind its answer has been done by the time that it has answered these.
      for (let pings = 0; http2 && pings < 20; pings++)
        await new Promise<void>((resolve, reject) =>
          sessions.at(-1)!.ping((error) => (error === null ? resolve() : reject(error))),
        );
      assert.deepEqual([lifeline.holds, lost], [true, 0]);
    }
    await eventually('the others to be closed', () => listening.sockets.size === 1);
    assert.equal(signs.stand(backend), 1);
    for (const socket of listening.sockets) socket.destroy();
    await eventually('its end to be told', () => lost === 1 && signs.stand(backend) === 0);
  }
});

test('M1: a probe that is refused tells the witness, over HTTP/1.1 and HTTP/2', async () => {
  const config = poolSchema.parse({ health: { active: { interval: '60s', timeout: '30s' } } }).health.active!;
  for (const http2 of [false, true]) {
    const { pool } = testPool([{ id: 'a', url: `http://127.0.0.1:${await closedPort()}` }], { http2 });
    const witness = new Witness(null);
    const result = await httpProbe(config, pool.config, 'shop').check(
      pool.backends[0]!,
      new AbortController().signal,
      witness,
    );
    assert.deepEqual(result, { ok: false, reason: 'ECONNREFUSED', code: 'BACKEND_CONNECT' });
    assert.equal(witness.error !== null && isRefusal(witness.error), true, `HTTP/2: ${http2}`);
  }
});

test('statuses are held against the ranges that are expected', async (t) => {
  const server = await http(t, ({ url }, response) => {
    response.statusCode = Number(url!.slice(1));
    response.end();
  });
  for (const [expect, status, ok] of [
    ['200-399', 200, true],
    ['200-399', 399, true],
    ['200-399', 400, false],
    ['200,204', 204, true],
    ['200,204', 201, false],
    ['200, 301-302', 302, true],
    ['200-399', 503, false],
    ['503', 503, true],
  ] as const) {
    const result = await check(httpProbe, server.port, { path: `/${status}`, expect });
    const expected: ProbeResult = ok ? OK : { ok: false, reason: `status ${status}`, code: null };
    assert.deepEqual(result, expected, `${status} against ${expect}`);
  }
});

test('a redirect is an answer and is not followed', async (t) => {
  let requests = 0;
  const server = await http(t, (_, response) => {
    requests++;
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  assert.deepEqual(await check(httpProbe, server.port), OK);
  assert.equal(requests, 1);
});

test('each probe has a connection of its own and closes it, even when the server would keep it', async (t) => {
  const server = await listen(
    t,
    createServer((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok'));
    }),
  );
  for (let i = 0; i < 3; i++) assert.deepEqual(await check(httpProbe, server.port), OK);
  assert.equal(server.accepted, 3);
  await allClosed(server);
});

test('another port is probed with the Host of the backend', async (t) => {
  let host: string | undefined;
  const server = await http(t, ({ headers }, response) => {
    host = headers.host;
    response.end();
  });
  const elsewhere = await closedPort();
  assert.deepEqual(await check(httpProbe, elsewhere, { port: server.port }), OK);
  assert.equal(host, `127.0.0.1:${elsewhere}`);
  assert.deepEqual(await check(tcpProbe, elsewhere, { port: server.port }), OK);
});

test('a long body is cut off, and its status counts', async (t) => {
  const server = await http(t, (_, response) => {
    const chunk = Buffer.alloc(64 * 1024);
    const write = (): void => {
      while (response.writable && response.write(chunk));
    };
    response.on('drain', write);
    response.on('error', () => {});
    write();
  });
  assert.deepEqual(await check(httpProbe, server.port), OK);
  await allClosed(server);
});

test('a body that never ends is no reason to wait longer than the timeout, nor to call the backend down', async (t) => {
  const server = await http(t, (_, response) => {
    response.write('begun');
  });
  assert.deepEqual(await check(httpProbe, server.port, { timeout: '100ms' }), OK);
  await allClosed(server);
});

test('a backend that refuses the connection fails both probes', async () => {
  const port = await closedPort();
  const expected = { ok: false, reason: 'ECONNREFUSED', code: 'BACKEND_CONNECT' };
  assert.deepEqual(await check(httpProbe, port), expected);
  assert.deepEqual(await check(tcpProbe, port), expected);
});

test('a name that is nowhere fails both probes', async () => {
  for (const probe of [httpProbe, tcpProbe]) {
    const result = await check(probe, 80, {}, undefined, 'no-such-host.invalid');
    assert.equal(result.ok, false);
    assert.equal(!result.ok && result.code, 'BACKEND_CONNECT');
  }
});

test('a backend that accepts and says nothing fails the HTTP probe at the timeout and passes the TCP probe (behaviour 75)', async (t) => {
  const server = await raw(t, null);
  assert.deepEqual(await check(httpProbe, server.port, { timeout: '100ms' }), {
    ok: false,
    reason: 'no answer within 100 ms',
    code: 'BACKEND_TIMEOUT',
  });
  assert.deepEqual(await check(tcpProbe, server.port, { timeout: '100ms' }), OK);
  await allClosed(server);
});

test('half a header block is no answer', async (t) => {
  const server = await raw(t, 'HTTP/1.1 200 OK\r\nX-');
  const result = await check(httpProbe, server.port, { timeout: '100ms' });
  assert.deepEqual(result, { ok: false, reason: 'no answer within 100 ms', code: 'BACKEND_TIMEOUT' });
  await allClosed(server);
});

test('an answer that is not HTTP fails the probe', async (t) => {
  const server = await raw(t, 'SSH-2.0-OpenSSH_9.9\r\n');
  const result = await check(httpProbe, server.port);
  assert.equal(!result.ok && result.code, 'BACKEND_PROTOCOL');
  await allClosed(server);
});

test('a connection that is closed without an answer fails the probe', async (t) => {
  const server = await listen(
    t,
    createServer((socket) => {
      socket.once('data', () => socket.end());
    }),
  );
  const result = await check(httpProbe, server.port);
  assert.equal(!result.ok && result.code, 'BACKEND_RESET');
});

test('a backend whose system accepts no more fails both probes at the timeout, and no connection is left behind', {
  timeout: 20_000,
}, async (t) => {
  if (process.platform !== 'linux') return t.skip('how a full accept queue behaves is known of Linux only');
  const child = spawn(process.execPath, ['-e', LISTEN_WITH_SMALL_QUEUE], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const port = Number((await once(child.stdout, 'data'))[0]);
  child.kill('SIGSTOP');
  while (!/\) T /.test(readFileSync(`/proc/${child.pid}/stat`, 'latin1'))) await new Promise(setImmediate);
  // Linux holds one connection more than it is asked to; from then on it drops the packets that would open another.
  const fillers = [0, 1].map(() => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => fillers.forEach((filler) => void filler.destroy()));
  await Promise.all(fillers.map((filler) => once(filler, 'connect')));
  const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const before = sockets();
  for (const probe of [httpProbe, tcpProbe]) {
    const result = await check(probe, port, { timeout: '50ms' });
    assert.deepEqual(result, { ok: false, reason: 'no connection within 50 ms', code: 'BACKEND_CONNECT' });
  }
  // The system itself would give up after two minutes, and so too late for this test.
  while (sockets() > before) await new Promise(setImmediate);
});

test('a probe that is broken off ends at once and closes its connection', async (t) => {
  const server = await raw(t, null);
  for (const probe of [httpProbe, tcpProbe]) {
    const stop = new AbortController();
    const result = check(probe, server.port, {}, stop.signal);
    stop.abort();
    assert.equal((await result).ok, false);
    assert.equal((await check(probe, server.port, {}, stop.signal)).ok, false);
  }
  const stop = new AbortController();
  const connected = server.accepted;
  const result = check(httpProbe, server.port, {}, stop.signal);
  while (server.accepted === connected) await new Promise(setImmediate);
  stop.abort();
  assert.equal((await result).ok, false);
  await allClosed(server);
});

test('71: a probe that this machine has no descriptor for is none', async () => {
  const entry = fileURLToPath(new URL('./without-descriptors.ts', import.meta.url));
  const command = [process.execPath, entry, String(await closedPort())];
  const child = spawn('sh', ['-c', 'ulimit -n 100; exec "$@"', 'sh', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes));
  await once(child, 'close');
  const refused = { ok: false, reason: 'ECONNREFUSED', code: 'BACKEND_CONNECT' };
  const without = { ok: false, reason: 'EMFILE', code: 'INTERNAL' };
  assert.deepEqual(JSON.parse(text), [refused, refused, refused, without, without, without]);
});

test('IPv6 backends are probed', async (t) => {
  let host: string | undefined;
  const server = createHttpServer(({ headers }, response) => {
    host = headers.host;
    response.end();
  });
  const started = await listen(t, server, '::1').catch(() => null);
  if (started === null) return t.skip('no IPv6 on this machine');
  assert.deepEqual(await check(httpProbe, started.port, {}, undefined, '[::1]'), OK);
  assert.deepEqual(await check(tcpProbe, started.port, {}, undefined, '[::1]'), OK);
  assert.equal(host, `[::1]:${started.port}`);
});

test('no probe leaves a listener on the signal that ends all probes', async (t) => {
  const server = await http(t, (_, response) => response.end());
  const stop = new AbortController();
  let added = 0;
  const { signal } = stop;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    added++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    added--;
    remove(...args);
  };
  for (const probe of [httpProbe, tcpProbe]) await check(probe, server.port, {}, signal);
  assert.equal(added, 0);
});
