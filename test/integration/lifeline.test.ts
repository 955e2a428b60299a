import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { get as httpGet } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { SignServer } from '../support/sign-server.ts';

/** How long a refusal is a suspicion while connections stand. */
const SUSPICION_MS = 1_000;
const PROBES = 'active: { interval: 500ms, timeout: 500ms }';
const HEADER = 'affinity: [{ by: header, name: x-key }]';

describe('signs of a restart', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-signs-'));
  const certificates = new Certificates();
  const own = certificates.make('own');
  const servers: Record<string, SignServer> = {};
  const admins: Record<string, SignServer> = {};
  let limpet: LimpetProcess;
  let admin: Admin;
  const POOLS: Record<string, string> = {
    standing: '',
    draining: '',
    limits: '',
    kept: '',
    loop: '',
    probed: `health: { ${PROBES} }`,
    reloads: `health: { ${PROBES} }`,
    off: `health: { lifeline: off, ${PROBES} }`,
    closes: `health: { ${PROBES} }`,
    tcp: 'health: { active: { interval: 500ms, timeout: 500ms, type: tcp } }',
    silent: 'health: { lifeline: silent, active: { interval: 500ms, timeout: 500ms, type: tcp } }',
    maintenance: `health: { ${PROBES} }`,
    unix: `health: { ${PROBES} }`,
    tls: `health: { ${PROBES} }, tls: { verify: false }`,
    http2: `health: { ${PROBES} }, http2: true`,
  };

  before(async () => {
    for (const name of Object.keys(POOLS)) {
      const options =
        name === 'unix'
          ? { path: join(directory, 'a.sock') }
          : name === 'tls'
            ? { tls: { key: own.keyPem, cert: own.certPem } }
            : { http2: name === 'http2' };
      servers[name] = new SignServer('a', options);
      if (name === 'limits') servers[name].keepAlive = 200;
      if (name === 'closes') servers[name].headers = { Connection: 'close' };
      await servers[name].start();
    }
    admins.other = await new SignServer('a').start();
    servers.other = await new SignServer('a').start();
    POOLS.other = `health: { active: { interval: 500ms, timeout: 500ms, port: ${admins.other.port} } }`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'routes:',
        ...Object.keys(POOLS).map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...Object.entries(POOLS).map(
          ([name, more]) =>
            `  ${name}: { backends: [{ id: a, url: "${servers[name]!.url}" }], ${HEADER}${more === '' ? '' : `, ${more}`} }`,
        ),
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    for (const server of [...Object.values(servers), ...Object.values(admins)]) server.stop();
    certificates.remove();
    rmSync(directory, { recursive: true });
  });

  const get = (pool: string): Promise<Answered> => ask(`${limpet.url}/${pool}`);
  const life = async (pool: string): Promise<number> => (await admin.backend(pool, 'a')).life;
  const isUp = (pool: string): Promise<unknown> =>
    eventually(`${pool} to be up`, async () => (await admin.backend(pool, 'a')).health === 'up');
  const hasLife = (pool: string, number: number): Promise<unknown> =>
    eventually(`life ${number} of ${pool}`, async () => (await life(pool)) === number);
  /** A response that has begun and goes on. */
  async function stream(pool: string): Promise<void> {
    const request = httpGet(`${limpet.url}/${pool}/stream`, { agent: false });
    request.on('error', () => {});
    await new Promise((resolve) => request.once('response', (response) => resolve(response.on('error', () => {}))));
  }
  const signs = (pool: string, sign: string): Promise<number> =>
    admin.metric('limpet_backend_restarts_total', { pool, backend: 'a', sign });

  test('M1: a refusal is no sign while a connection from before stands, and the end of that one is looked at', async () => {
    const server = servers.standing!;
    await stream('standing');
    server.closePort();
    assert.equal((await get('standing')).code, 'BACKEND_CONNECT');
    await setTimeout(SUSPICION_MS + 300);
    assert.equal(await life('standing'), 1, 'a firewall that rejects, or a server that drains');
    server.drop();
    await hasLife('standing', 2);
    await eventually('it to be counted', async () => (await signs('standing', 'refused')) === 1);
    await server.start();
  });

  test('M1: a refusal counts when the last connection ends a moment later', async () => {
    const server = servers.draining!;
    await stream('draining');
    server.closePort();
    assert.equal((await get('draining')).code, 'BACKEND_CONNECT');
    const looks = server.accepted;
    server.drop();
    await server.start();
    await hasLife('draining', 2);
    assert.ok(server.accepted <= looks + 1);
  });

  test('M1: a server that closes idle connections has not ended', async () => {
    const server = servers.limits!;
    for (let i = 0; i < 3; i++) {
      assert.equal((await get('limits')).status, 200);
      await eventually('the server to close it', () => server.open.size === 0);
      await setTimeout(150);
    }
    assert.equal(await life('limits'), 1);
    assert.equal(await signs('limits', 'refused'), 0);
  });

  test('M1: without probes an idle connection is kept for its end, until there is another one', async () => {
    const server = servers.kept!;
    for (let i = 0; i < 4; i++) assert.equal((await get('kept')).status, 200);
    await setTimeout(6_500);
    assert.equal(server.open.size, 1, 'one of those that were idle for too long to be used');
    const [kept] = server.open;
    assert.equal((await get('kept')).status, 200);
    await eventually('it to be let go', () => kept!.destroyed);
    await setTimeout(6_500);
    assert.equal(server.open.size, 1);
    server.stop();
    await hasLife('kept', 2);
    await server.start();
  });

  test('M1: a crash loop is one new life', async () => {
    const server = servers.loop!;
    assert.equal((await get('loop')).status, 200);
    server.stop();
    await hasLife('loop', 2);
    for (let i = 0; i < 3; i++) {
      assert.equal((await get('loop')).code, 'BACKEND_CONNECT');
      server.answer = (request) => request.socket.destroy();
      await server.start();
      await get('loop');
      server.stop();
      assert.equal((await get('loop')).code, 'BACKEND_CONNECT');
    }
    assert.equal(await life('loop'), 2);
    server.answer = null;
    await server.start();
    assert.equal((await get('loop')).status, 200);
    server.stop();
    await hasLife('loop', 3);
    await server.start();
  });

  for (const pool of ['probed', 'tls', 'http2', 'unix', 'silent']) {
    test(`M1: the connection of the latest probe stands, and its end tells at once, ${pool}`, async () => {
      const server = servers[pool]!;
      await isUp(pool);
      await eventually('a few probes', () => server.accepted > 4);
      await eventually('one connection', () => server.open.size === 1);
      const began = performance.now();
      server.stop();
      // Sooner than three probes could take it down.
      await hasLife(pool, 2);
      assert.ok(performance.now() - began < 2_000);
      await server.start();
      await isUp(pool);
      await setTimeout(500);
      assert.equal(await life(pool), 2);
      assert.equal(await signs(pool, 'refused'), 1);
    });
  }

  test('M1: a server that hands over to another process has not ended', async () => {
    const server = servers.reloads!;
    await isUp('reloads');
    await eventually('a connection', () => server.open.size === 1);
    // The other one has the port before this one lets go of its connections.
    server.drop();
    await setTimeout(700);
    assert.equal(await life('reloads'), 1);
  });

  for (const pool of ['off', 'closes', 'tcp', 'other']) {
    test(`M1: no connection stands between two probes, ${pool}`, async () => {
      const server = pool === 'other' ? admins.other! : servers[pool]!;
      await isUp(pool);
      const before = server.accepted;
      let open = 0;
      let looks = 0;
      while (server.accepted < before + 5) {
        looks++;
        if (server.open.size > 0) open++;
        await setTimeout(5);
      }
      assert.ok(open < looks / 2, `${open} of ${looks}`);
    });
  }

  test('M1: refusals at the port of the probes are no sign', async () => {
    assert.equal((await get('other')).status, 200);
    admins.other!.stop();
    await eventually('it to be down', async () => (await admin.backend('other', 'a')).health === 'down');
    assert.equal(await life('other'), 1);
    await admins.other!.start();
  });

  for (const pool of ['off', 'closes', 'tcp']) {
    test(`M1: a refused probe is a sign, ${pool}`, async () => {
      await isUp(pool);
      servers[pool]!.stop();
      await hasLife(pool, 2);
      await servers[pool]!.start();
      await isUp(pool);
      assert.equal(await life(pool), 2);
    });
  }

  test('M1: a restart in maintenance is seen', async () => {
    await isUp('maintenance');
    await admin.patch('maintenance', 'a', { state: 'maintenance' });
    servers.maintenance!.drop();
    await setTimeout(300);
    assert.equal(await life('maintenance'), 1);
    servers.maintenance!.stop();
    await hasLife('maintenance', 2);
    await servers.maintenance!.start();
    await admin.patch('maintenance', 'a', { state: 'ready' });
  });
});

/** Serves one connection after the other, each to its end, as a server with one thread does. */
class OneThread {
  port = 0;
  readonly #waiting: Socket[] = [];
  #busy = false;
  readonly #server = createServer((socket) => {
    socket.pause();
    socket.on('error', () => {});
    this.#waiting.push(socket);
    this.#next();
  });

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#waiting) socket.destroy();
  }

  #next(): void {
    const socket = this.#busy ? undefined : this.#waiting.shift();
    if (socket === undefined) return;
    this.#busy = true;
    socket.on('close', () => {
      this.#busy = false;
      this.#next();
    });
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      if (!text.endsWith('\r\n\r\n')) return;
      const ends = text.startsWith('GET /healthz') ? '' : 'Connection: close\r\n';
      text = '';
      socket.write(`HTTP/1.1 200 OK\r\n${ends}Content-Length: 2\r\n\r\nok`);
      if (ends !== '') socket.end();
    });
    socket.resume();
  }
}

test('M1: a server with one thread does not hang on the connection that is kept', async (t) => {
  const server = await new OneThread().start();
  t.after(() => server.stop());
  const limpet = await startLimpetProcess(
    `workers: 2\nlog: { access: false }\npools: { p: { backends: [{ id: a, url: "http://127.0.0.1:${server.port}" }], affinity: [], health: { active: { interval: 2s, timeout: 1s } } } }\n`,
  );
  t.after(() => limpet.stop());
  const until = performance.now() + 12_000;
  const waits: number[] = [];
  while (performance.now() < until) {
    const began = performance.now();
    assert.equal((await ask(limpet.url)).status, 200);
    waits.push(performance.now() - began);
    await setTimeout(20);
  }
  // What every answer takes on a busy machine is no hanging.
  const noise = 10 * waits.toSorted((x, y) => x - y)[waits.length >> 1]!;
  const slow = waits.filter((ms) => ms > 250 + noise);
  assert.ok(slow.length <= 3 && Math.max(...waits) < 1_500 + noise, `${slow.map(Math.round).join(', ')} ms`);
  const told = limpet.log.filter(({ msg }) => String(msg).includes('answers nobody while an idle connection is open'));
  assert.equal(told.length, 1);
});
