import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const PATIENCE = 30_000;

interface Shown {
  readonly id: string;
  readonly url: string;
  readonly departing: boolean;
  readonly discovered: boolean;
  readonly weight: number;
}

async function startDns(t: TestContext): Promise<DnsServer> {
  const server = await startDnsServer();
  t.after(() => server.close());
  return server;
}

async function startBackend(t: TestContext, id: string): Promise<HttpBackend> {
  const backend = await new HttpBackend(id).start();
  t.after(() => backend.stop());
  return backend;
}

async function startLimpet(t: TestContext, pool: string): Promise<LimpetProcess> {
  const limpet = await startLimpetProcess(`workers: 2\npools: { shop: { ${pool} } }\n`);
  t.after(() => limpet.stop());
  return limpet;
}

async function shown(limpet: LimpetProcess): Promise<Shown[]> {
  const response = await fetch(`${limpet.admin}/api/v1/pools/shop`);
  return ((await response.json()) as { backends: Shown[] }).backends;
}

/** Waits until the pool has these backends, those that depart with a `-` before their id. */
function members(limpet: LimpetProcess, ...ids: string[]): Promise<true> {
  const wanted = ids.sort().join();
  return eventually(
    `the members ${wanted}`,
    async () => {
      const now = (await shown(limpet)).map(({ id, departing }) => (departing ? `-${id}` : id));
      return now.sort().join() === wanted || null;
    },
    PATIENCE,
  );
}

/**
 * Waits until a worker that still runs by the members before has had its say: ten new sessions in a row go where they
 * are wanted.
 */
function newSessionsGoTo(limpet: LimpetProcess, ...backends: string[]): Promise<true> {
  const wanted = backends.sort().join();
  return eventually(
    `new sessions on ${wanted} alone`,
    async () => {
      const got = new Set<string>();
      for (let i = 0; i < 10; i++) got.add((await ask(limpet.url)).backend);
      return [...got].sort().join() === wanted || null;
    },
    PATIENCE,
  );
}

test('12, 44: a server that the DNS names joins, one that it names no more drains, and a DNS that fails changes nothing', async (t) => {
  const dns = await startDns(t);
  const a = await startBackend(t, 'a');
  const b = await startBackend(t, 'b');
  const record = (target: string, { port }: HttpBackend) => ({ target, port, priority: 1, weight: 10 });
  const inA = record('A.shop.test', a);
  const inB = record('b.shop.test', b);
  const [idA, idB] = [`a.shop.test:${a.port}`, `b.shop.test:${b.port}`];
  dns.set('a.shop.test', { A: ['127.0.0.1'] });
  dns.set('b.shop.test', { A: ['127.0.0.1'] });
  dns.set('_http._tcp.shop.test', { SRV: [inA] });
  const limpet = await startLimpet(
    t,
    `balance: round-robin, discovery: { dns: { name: _http._tcp.shop.test, type: SRV, refresh: 50ms, servers: ["${dns.address}"] } }`,
  );
  const first = await ask(limpet.url);
  assert.equal(first.backend, 'a', 'it comes up with what the DNS says');
  const again = () => ask(limpet.url, { headers: { cookie: first.cookie } });
  assert.deepEqual(
    (await shown(limpet)).map(({ id, url, weight, discovered }) => [id, url, weight, discovered]),
    [[idA, `http://127.0.0.1:${a.port}`, 10, true]],
  );

  dns.set('_http._tcp.shop.test', { SRV: [inB, inA] });
  await members(limpet, idA, idB);
  await newSessionsGoTo(limpet, 'a', 'b');
  assert.equal((await again()).backend, 'a');

  for (const failure of ['SERVFAIL', 'NXDOMAIN'] as const) {
    dns.set('_http._tcp.shop.test', failure);
    const asked = dns.questions.length;
    await eventually('more questions', () => dns.questions.length > asked + 4, PATIENCE);
    await members(limpet, idA, idB);
    assert.equal((await again()).backend, 'a');
  }
  await limpet.logged(({ msg }) => msg === 'discovery has no answer: the members of the last one stay', PATIENCE);

  limpet.process.kill('SIGHUP');
  await limpet.logged(({ msg }) => msg === 'reload: nothing changed', PATIENCE);
  await members(limpet, idA, idB);
  assert.equal((await again()).backend, 'a', 'a reload keeps what has been found');

  dns.set('_http._tcp.shop.test', { SRV: [inB] });
  await limpet.logged(({ msg }) => msg === 'discovery has an answer again', PATIENCE);
  await members(limpet, `-${idA}`, idB);
  await newSessionsGoTo(limpet, 'b');
  for (let i = 0; i < 10; i++) assert.equal((await again()).backend, 'a', 'its sessions stay with it');

  const admin = new Admin(limpet.admin);
  for (const { key, backend } of await admin.sessions('shop')) if (backend === idA) await admin.endSession(key);
  await members(limpet, idB);
  assert.deepEqual(
    limpet.log.filter(({ level }) => level === 'error'),
    [],
  );
});

test('limpet comes up without a DNS server, answers 503, and takes traffic when the server has come', async (t) => {
  const dns = await startDns(t);
  const a = await startBackend(t, 'a');
  dns.set('shop.test', 'silence');
  const limpet = await startLimpet(
    t,
    `discovery: { dns: { name: shop.test, port: ${a.port}, refresh: 50ms, servers: ["${dns.address}"] } }`,
  );
  const none = await ask(limpet.url);
  assert.deepEqual([none.status, none.code], [503, 'NO_BACKEND']);
  dns.set('shop.test', { A: ['127.0.0.1'] });
  await members(limpet, `127.0.0.1:${a.port}`);
  await newSessionsGoTo(limpet, 'a');
});

test('a server that the file lists and the DNS finds is one backend, with the id of the file', async (t) => {
  const dns = await startDns(t);
  const a = await startBackend(t, 'a');
  dns.set('shop.test', { A: ['127.0.0.1', '127.0.0.2'] });
  const limpet = await startLimpet(
    t,
    `backends: [{ id: listed, url: "${a.url}" }], discovery: { dns: { name: shop.test, port: ${a.port}, servers: ["${dns.address}"] } }`,
  );
  await members(limpet, 'listed', `127.0.0.2:${a.port}`);
});
