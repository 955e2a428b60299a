import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, type TestContext, test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { drop, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';
import { workerConnections } from '../support/worker-connections.ts';

const POOLS = 'pools: { shop: { backends: [{ id: a, url: "http://127.0.0.1:9" }] } }\n';
const LISTEN = 'listeners: [{ bind: "127.0.0.1:0" }]\n';
const NO_ADMIN = 'admin: { bind: null }\nlog: { level: error }\n';

describe('stop', () => {
  const backend = new HttpBackend('a');
  const held: ServerResponse[] = [];
  const clients: RawClient[] = [];

  before(() => backend.start());
  beforeEach(() => {
    held.length = 0;
    backend.answer = (request, response, self) => {
      if (request.url !== '/held') return echo(request, response, self);
      request.resume();
      held.push(response);
    };
  });
  after(async () => {
    for (const client of clients) client.close();
    await backend.stop();
  });

  const start = async (t: TestContext, grace: string): Promise<LimpetProcess> => {
    const limpet = await startLimpetProcess(
      `workers: 2\nshutdown: { grace: ${grace} }\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
    );
    t.after(limpet.stop);
    return limpet;
  };
  const open = async (limpet: LimpetProcess): Promise<RawClient> => {
    const client = await RawClient.open(limpet.port);
    clients.push(client);
    return client;
  };
  const readyz = async (limpet: LimpetProcess): Promise<number> => (await fetch(`${limpet.admin}/readyz`)).status;

  test('46: SIGTERM: not ready any more, idle connections end, what is under way finishes, exit status 0', async (t) => {
    const limpet = await start(t, '1m');
    assert.equal(await readyz(limpet), 200);
    const idle = await open(limpet);
    idle.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await idle.until(isWhole);
    const waiting = await open(limpet);
    waiting.send('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
    const uploading = await open(limpet);
    uploading.send('POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf');
    await eventually('both requests', () => held.length === 2);
    const streaming = await open(limpet);
    backend.answer = (_request, response) => {
      response.writeHead(200, { 'Content-Length': 8 }).write('half');
      held.push(response);
    };
    streaming.send('GET /half HTTP/1.1\r\nHost: x\r\n\r\n');
    await streaming.until((text) => text.endsWith('half'));

    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGTERM');
    await limpet.logged((line) => line.msg === 'limpet stops');
    assert.equal(await readyz(limpet), 503);
    await idle.end();
    await refused(limpet.port);
    assert.equal(await readyz(limpet), 503, 'the admin API is there to the end');
    uploading.send('half');
    for (const response of held) response.end(response.headersSent ? 'half' : 'done');
    assert.match(await waiting.end(), /^HTTP\/1\.1 200 [\s\S]*\r\nConnection: close\r\n[\s\S]*done/);
    assert.match(await uploading.end(), /^HTTP\/1\.1 200 [\s\S]*done/);
    assert.match(await streaming.end(), /\r\n\r\nhalfhalf$/);
    for (const client of clients.splice(0)) client.close();
    assert.deepEqual(await exited, [0, null]);
    const paths = limpet.log
      .filter(({ msg }) => msg === 'request')
      .map(({ path, status }) => `${String(path)} ${status}`);
    assert.deepEqual(paths.sort(), ['/ 200', '/half 200', '/held 200', '/held 200'], 'every request is logged');
    assert.equal(limpet.stderr(), '');
  });

  test('46: at the end of shutdown.grace what has no answer gets 503 STOPPING, the rest is cut', async (t) => {
    const limpet = await start(t, '300ms');
    const waiting = await open(limpet);
    waiting.send('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually('the request', () => held.length === 1);
    backend.answer = (_request, response) => void response.writeHead(200).write('half');
    const streaming = await open(limpet);
    streaming.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await streaming.until((text) => text.includes('half'));
    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGTERM');
    assert.match(await waiting.end(), /^HTTP\/1\.1 503 [\s\S]*\r\nLimpet-Error: STOPPING\r\n/);
    assert.ok(!(await streaming.end()).endsWith('0\r\n\r\n'), 'it does not look whole');
    assert.deepEqual(await exited, [0, null]);
  });
});

test('47: a new process takes over the port of one that stops, and next to nothing is lost', async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const yaml = (port: number): string =>
    `listeners: [{ bind: "127.0.0.1:${port}" }]\nworkers: 2\nlog: { access: false }\n` +
    `pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`;
  const old = await startLimpetProcess(yaml(0));
  t.after(old.stop);
  let served = 0;
  let stopped = false;
  const lost: string[] = [];
  const load = Array.from({ length: 10 }, async () => {
    while (!stopped) {
      try {
        const { status } = await ask(old.url);
        if (status === 200) served++;
        else lost.push(String(status));
      } catch (error) {
        lost.push(String((error as NodeJS.ErrnoException).code));
      }
    }
  });
  const fresh = await startLimpetProcess(yaml(old.port));
  t.after(fresh.stop);
  await old.stop();
  const before = served;
  await eventually('the new process to carry the load', () => served > before + 200);
  stopped = true;
  await Promise.all(load);
  t.diagnostic(`${lost.length} of ${served + lost.length} connections lost`);
  // Linux resets what comes in between the last accept and the close (unless net.ipv4.tcp_migrate_req is on).
  assert.ok(lost.length <= 10, lost.join());
  assert.ok(lost.every((code) => code === 'ECONNRESET' || code === 'EPIPE'));
});

describe('start', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'limpet-start-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  const fails = async (yaml: string): Promise<{ status: number | null; lines: string[] }> => {
    writeFileSync(join(directory, 'limpet.yaml'), yaml);
    const { status, stdout, stderr } = await runLimpet(['start', '--workers', '1'], { cwd: directory });
    assert.equal(stdout, '');
    assert.ok(stderr.endsWith('\n'));
    return { status, lines: stderr.slice(0, -1).split('\n') };
  };

  test('what cannot be had at run time is one line that says what to do, and exit status 1', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    t.after(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    writeFileSync(join(directory, 'short'), 'c2hvcnQ=\n', { mode: 0o600 });
    writeFileSync(join(directory, 'key.pem'), 'no key\n');
    const verify = 'affinity: [{ by: token, claim: sub, verify: { publicKeyFile: key.pem } }]';
    for (const [yaml, wanted] of [
      [`listeners: [{ bind: "127.0.0.1:${port}" }]\n${NO_ADMIN}${POOLS}`, [`${port} is in use`, 'change bind']],
      [
        `listeners: [{ bind: "127.0.0.1:0" }, { bind: "127.0.0.1:${port}" }]\n${NO_ADMIN}${POOLS}`,
        [`${port} is in use`],
      ],
      [`${LISTEN}admin: { bind: "127.0.0.1:${port}" }\nlog: { level: error }\n${POOLS}`, [String(port), 'admin']],
      [`listeners: [{ bind: "192.0.2.1:0" }]\n${NO_ADMIN}${POOLS}`, ['192.0.2.1:0 is not an address of this machine']],
      [
        `${LISTEN}${NO_ADMIN}sessions: { secretFile: gone }\n${POOLS}`,
        ['limpet.yaml:4:25', 'sessions.secretFile', 'gone'],
      ],
      [`${LISTEN}${NO_ADMIN}sessions: { secretFile: short }\n${POOLS}`, ['short:1', '5 bytes', 'openssl rand']],
      [
        `${LISTEN}${NO_ADMIN}${POOLS.replace('}] }', `}], ${verify} }`)}`,
        ['affinity[0].verify.publicKeyFile', 'key.pem'],
      ],
    ] as [string, string[]][]) {
      const { status, lines } = await fails(yaml);
      const [line = ''] = lines;
      assert.deepEqual([status, lines.length], [1, 1], lines.join('\n'));
      for (const part of wanted) assert.ok(line.includes(part), `${part} is in: ${line}`);
    }
  });

  test('a bad configuration is exit status 2 and a line for each error, with its place', async () => {
    const { status, lines } = await fails(
      'listeners: [{ bind: nowhere }]\npools:\n  shop:\n    backends: [{ id: a, url: "ftp://x" }]\n    balnce: random\n',
    );
    assert.equal(status, 2);
    assert.deepEqual(
      lines.map((line) => line.split(': ', 2).join(': ')),
      [
        'limpet.yaml:1:21: listeners[0].bind',
        'limpet.yaml:4:30: pools.shop.backends[0].url',
        'limpet.yaml:5:5: pools.shop.balnce',
      ],
    );
    assert.match(lines[2]!, /did you mean "balance"\?/);
  });
});

describe('a running limpet', () => {
  const backends = ['a', 'b'].map((id) => new HttpBackend(id));
  const clients: RawClient[] = [];
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    for (const backend of backends) await backend.start();
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'trustedProxies: [127.0.0.1/32]',
        'routes:',
        '  - { match: { path: /shop }, pool: shop }',
        '  - { match: { path: /plain }, pool: shop, sticky: false }',
        '  - { match: { path: /broken }, pool: broken }',
        'pools:',
        `  shop: { backends: [${list}] }`,
        `  broken: { backends: [${list}], affinity: [], health: { passive: null } }`,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  beforeEach(() => {
    for (const backend of backends) backend.answer = echo;
  });
  after(async () => {
    for (const client of clients) client.close();
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });

  const line = (path: string): Promise<Record<string, unknown>> =>
    limpet.logged((entry) => entry.msg === 'request' && entry.path === path);

  test('as many workers as configured carry traffic', async () => {
    const status = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as { workers: number; state: string };
    assert.deepEqual([status.workers, status.state], [2, 'ready']);
    await workerConnections(limpet.port, '/plain', 1, clients);
  });

  test('SIGHUP disturbs no request', async () => {
    const came = Promise.withResolvers<[IncomingMessage, ServerResponse]>();
    for (const backend of backends) backend.answer = (request, response) => came.resolve([request, response]);
    const answer = ask(`${limpet.url}/shop/hup`);
    const [, response] = await came.promise;
    limpet.process.kill('SIGHUP');
    await limpet.logged(({ msg }) => msg === 'reload: nothing changed');
    response.end('done');
    assert.equal((await answer).body, 'done');
  });

  test('the access log has a line for each request, with all the fields and no secret', async () => {
    const first = await ask(`${limpet.url}/shop/log?sid=secret&x=1`, {
      method: 'POST',
      body: 'order',
      headers: {
        host: 'shop.example',
        'x-forwarded-for': '198.51.100.7',
        'x-request-id': 'req-1',
        authorization: 'Bearer secret',
      },
    });
    const { time, durationMs, session, ...fields } = await line('/shop/log');
    assert.deepEqual(fields, {
      level: 'info',
      msg: 'request',
      id: 'req-1',
      client: '198.51.100.7',
      method: 'POST',
      host: 'shop.example',
      path: '/shop/log',
      status: 200,
      bytesIn: 5,
      bytesOut: first.body.length,
      pool: 'shop',
      backend: first.backend,
      affinity: 'new',
      attempts: 1,
      error: null,
      detail: null,
    });
    assert.ok(Math.abs(Date.now() - Date.parse(String(time))) < 10_000);
    assert.ok(Number(durationMs) > 0 && Number(durationMs) < 10_000);
    assert.equal((await admin.sessions('shop')).filter(({ key }) => key === session).length, 1);

    await ask(`${limpet.url}/shop/bound`, { headers: { cookie: first.cookie } });
    const bound = await line('/shop/bound');
    assert.deepEqual([bound.affinity, bound.session, bound.backend], ['bound', session, first.backend]);
    await ask(`${limpet.url}/plain/log`, { headers: { cookie: first.cookie } });
    const plain = await line('/plain/log');
    assert.deepEqual([plain.affinity, plain.session], ['none', null]);
    await ask(`${limpet.url}/nowhere`);
    const nowhere = await line('/nowhere');
    assert.deepEqual(
      [nowhere.status, nowhere.error, nowhere.pool, nowhere.backend, nowhere.affinity, nowhere.attempts],
      [404, 'NO_ROUTE', null, null, null, 0],
    );
    const text = JSON.stringify(limpet.log);
    assert.ok(!text.includes('secret&') && !text.includes('Bearer') && !text.includes(first.cookie.slice(7)));
  });

  test('the metrics say what has happened', async () => {
    const names = [
      ['limpet_requests_total', { pool: 'shop', code: '200' }],
      ['limpet_requests_total', { pool: 'broken', backend: '', code: '502' }],
      ['limpet_requests_total', { pool: '', backend: '', code: '404' }],
      ['limpet_request_duration_seconds_count', { pool: 'shop' }],
      ['limpet_backend_response_seconds_count', { pool: 'shop' }],
      ['limpet_affinity_total', { pool: 'shop', outcome: 'new' }],
      ['limpet_affinity_total', { pool: 'shop', outcome: 'bound' }],
      ['limpet_sessions', { pool: 'shop' }],
      ['limpet_sessions_by_backend', { pool: 'shop' }],
      ['limpet_retries_total', { pool: 'broken', reason: 'reset' }],
      ['limpet_errors_total', { code: 'BACKEND_RESET' }],
      ['limpet_errors_total', { code: 'NO_ROUTE' }],
    ] as const;
    const read = (): Promise<number[]> => Promise.all(names.map(([name, labels]) => admin.metric(name, labels)));
    const before = await read();
    const first = await ask(`${limpet.url}/shop`);
    for (let n = 0; n < 3; n++) await ask(`${limpet.url}/shop`, { headers: { cookie: first.cookie } });
    await ask(`${limpet.url}/nowhere`);
    for (const backend of backends) backend.answer = drop;
    assert.equal((await ask(`${limpet.url}/broken`)).status, 502);
    const wanted = [4, 1, 1, 4, 4, 1, 3, 1, 1, 1, 1, 1];
    await eventually('the counts', async () => {
      const now = await read();
      return now.every((value, i) => value - before[i]! === wanted[i]);
    }).catch(async () => {
      const now = await read();
      assert.deepEqual(
        now.map((value, i) => value - before[i]!),
        wanted,
      );
    });
    assert.equal(await admin.metric('limpet_backend_up', { pool: 'shop' }), 2);
    assert.equal(await admin.metric('limpet_requests_active'), 0);
    assert.ok((await admin.metric('limpet_connections')) >= 0);
    assert.ok((await admin.metric('process_resident_memory_bytes')) > 0, "Node's own metrics");
    assert.equal(await admin.metric('limpet_worker_restarts_total'), 0);
    assert.equal(await admin.metric('limpet_session_evictions_total'), 0);
  });
});

/** Settles when nobody listens on the port any more. */
async function refused(port: number): Promise<void> {
  await eventually('the port to be closed', async () => {
    const socket = connect({ host: '127.0.0.1', port });
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    return !open;
  });
}
