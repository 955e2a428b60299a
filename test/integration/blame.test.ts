import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as elapse } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';
import { SessionBackend } from '../support/session-backend.ts';

const MS = 30_000;
/** More than passive ejection needs. */
const MANY = 12;

/**
 * An application that speaks HTTP/2: `/stream` answers one event and then nothing, `/hold` when it is let, all else at
 * once.
 */
class Http2Backend {
  readonly id: string;
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<{ destroy(): void }>();
  readonly held: (() => void)[] = [];
  url = '';

  constructor(id: string) {
    this.id = id;
    this.#server.on('session', (session) => this.#sessions.add(session));
    this.#server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('error', () => {});
      const path = String(headers[':path']);
      const type = String(headers['content-type'] ?? 'text/event-stream');
      if (path.includes('/stream')) {
        stream.respond({ ':status': 200, 'x-backend': id, 'content-type': type });
        stream.write('data: hello\n\n');
        return;
      }
      const answer = () => {
        stream.respond({ ':status': path.endsWith('/503') ? 503 : 200, 'x-backend': id });
        stream.end(id);
      };
      if (path.endsWith('/hold')) this.held.push(answer);
      else answer();
    });
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}

suite('who is blamed for what', () => {
  const names = ['quiet', 'slow', 'endless', 'rude', 'hung', 'many', 'probed'];
  const pairs = new Map(names.map((name) => [name, [new SessionBackend('a'), new SessionBackend('b')] as const]));
  const http2 = [new Http2Backend('a'), new Http2Backend('b')] as const;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    for (const pair of pairs.values()) for (const backend of pair) await backend.start();
    for (const backend of http2) await backend.start();
    const pools: string[] = [];
    const pool = (name: string, pair: readonly { id: string; url: string }[], more: string) => {
      const list = pair.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
      pools.push(`  ${name}: { backends: [${list}], affinity: [{ by: cookie, name: ${name} }], ${more} }`);
    };
    const retry = 'retry: { attempts: 0 }';
    pool('quiet', pairs.get('quiet')!, 'timeouts: { idle: 1s, response: 20s }');
    pool('quiet2', http2, 'http2: true, timeouts: { idle: 1s, response: 20s }');
    pool('slow', pairs.get('slow')!, 'timeouts: { response: 1s }');
    pool('endless', pairs.get('endless')!, 'timeouts: { idle: 0, tunnel: 0, response: 20s }');
    pool('rude', pairs.get('rude')!, retry);
    pool('hung', pairs.get('hung')!, `timeouts: { response: 1s }, ${retry}`);
    pool('many', pairs.get('many')!, retry);
    pool('probed', pairs.get('probed')!, `${retry}, health: { active: { path: /, interval: 500ms, timeout: 500ms } }`);
    const all = [...names, 'quiet2'];
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'routes:',
        ...all.map((name) => `  - { match: { path: /${name}/ }, pool: ${name} }`),
        'pools:',
        ...pools,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    for (const pair of pairs.values()) for (const backend of pair) await backend.stop();
    for (const backend of http2) backend.stop();
  });

  const get = (path: string, cookie = '', more: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? more : { cookie, ...more } });
  /** New sessions, each with the backend that it is on. */
  const sessions = async (pool: string, count: number): Promise<{ cookie: string; backend: string }[]> =>
    Promise.all(Array.from({ length: count }, async () => get(`/${pool}/`)));
  const sessionOn = async (pool: string, id: string): Promise<string> => {
    for (;;) {
      const { cookie, backend } = await get(`/${pool}/`);
      if (backend === id) return cookie;
    }
  };
  const assertStay = async (pool: string, all: readonly { cookie: string; backend: string }[]): Promise<void> => {
    const now = await Promise.all(all.map(({ cookie }) => get(`/${pool}/`, cookie)));
    const moved = now.filter(({ backend }, n) => backend !== all[n]!.backend);
    assert.equal(moved.length, 0, `${moved.length} of ${all.length} sessions of ${pool} have moved`);
  };
  /** Opens streams of one session that go quiet, and waits until limpet has cut them. */
  const cutStreams = async (pool: string, cookie: string, type: string): Promise<void> => {
    const streams = await Promise.all(Array.from({ length: MANY }, () => RawClient.open(limpet.port)));
    for (const stream of streams)
      stream.send(
        `GET /${pool}/stream?stream HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nContent-Type: ${type}\r\n\r\n`,
      );
    for (const stream of streams) await stream.until((text) => text.includes('data: hello'), MS);
    for (const stream of streams) {
      await stream.end(MS);
      assert.doesNotMatch(stream.text, /\r\n0\r\n\r\n$/, 'it does not look whole');
      stream.close();
    }
  };

  test('H1: quiet streams are cut by the limit, and their backend has done nothing wrong', async () => {
    const [a, b] = pairs.get('quiet')!;
    const others = await sessions('quiet', 40);
    const cookie = await sessionOn('quiet', 'a');
    const waits = get('/quiet/?hold', await sessionOn('quiet', 'a'));
    await eventually('the request to be held', () => a.held === 1);
    await cutStreams('quiet', cookie, 'text/plain');
    const { health, failures, lastError } = await admin.backend('quiet', 'a');
    assert.deepEqual({ health, failures, lastError }, { health: 'unknown', failures: 0, lastError: null });
    a.release();
    assert.equal((await waits).backend, 'a');
    assert.equal(b.seen.filter((path) => path.includes('hold')).length, 0, 'nothing is repeated');
    await assertStay('quiet', others);
  });

  for (const type of ['text/event-stream', 'application/grpc']) {
    test(`H1: the same over HTTP/2, ${type}`, async () => {
      const [a, b] = http2;
      const others = await sessions('quiet2', 40);
      const cookie = await sessionOn('quiet2', 'a');
      const waits = get('/quiet2/hold', await sessionOn('quiet2', 'a'));
      await eventually('the request to be held', () => a.held.length === 1);
      await cutStreams('quiet2', cookie, type);
      const { health, failures, lastError } = await admin.backend('quiet2', 'a');
      assert.deepEqual({ health, failures, lastError }, { health: 'unknown', failures: 0, lastError: null });
      for (const answer of a.held.splice(0)) answer();
      assert.equal((await waits).backend, 'a');
      assert.equal(b.held.length, 0, 'nothing is repeated');
      await assertStay('quiet2', others);
    });
  }

  test('H1: a client that owes the rest of its request is the one who is late', async () => {
    const cookie = await sessionOn('slow', 'a');
    const clients = await Promise.all(Array.from({ length: MANY }, () => RawClient.open(limpet.port)));
    for (const client of clients)
      client.send(`POST /slow/ HTTP/1.1\r\nHost: x\r\nCookie: ${cookie}\r\nContent-Length: 4\r\n\r\nab`);
    // Longer than timeouts.response.
    await elapse(1_000);
    for (const client of clients) client.send('cd');
    for (const client of clients) {
      assert.match(await client.until((text) => text.includes('\r\n\r\n'), MS), /^HTTP\/1\.1 200 /);
      client.close();
    }
    assert.equal((await admin.backend('slow', 'a')).failures, 0);
  });

  test('H1: timeouts.idle: 0 and tunnel: 0 are no limits', async () => {
    const stream = await RawClient.open(limpet.port);
    stream.send('GET /endless/?stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await stream.until((text) => text.includes('data: hello'), MS);
    const tunnel = await RawClient.open(limpet.port);
    tunnel.send(
      'GET /endless/ HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await tunnel.until((text) => text.includes(' 101 '), MS);
    await elapse(1_500);
    assert.ok(!stream.ended && !stream.closed);
    // A ping, which is answered.
    const before = tunnel.text.length;
    tunnel.send(Buffer.from([0x89, 0x80, 1, 2, 3, 4]));
    await tunnel.until((text) => text.length > before, MS);
    assert.ok(!tunnel.ended && !tunnel.closed);
    stream.close();
    tunnel.close();
  });

  test('H2: one rude client beside 200 sessions moves none of them, whatever it asks for and with whatever cookies', async () => {
    const others = await sessions('rude', 200);
    const cookie = await sessionOn('rude', 'a');
    for (const path of ['/rude/?status=503', '/rude/?drop']) {
      await Promise.all(Array.from({ length: MANY }, () => get(path, cookie)));
      await Promise.all(Array.from({ length: MANY }, () => get(path)));
    }
    for (let n = 0; n < MANY; n++) await get('/rude/?status=504', await sessionOn('rude', 'a'));
    let rotated = cookie;
    for (let n = 0; n < MANY; n++) {
      const answer = await get('/rude/?status=503&session=rotate', rotated);
      assert.equal(answer.status, 503);
      assert.notEqual(answer.cookie, '');
      rotated = answer.cookie;
    }
    await assertStay('rude', others);
    for (const id of ['a', 'b']) assert.equal((await admin.backend('rude', id)).health, 'unknown');
  });

  test('H2: nor does one whose requests get no answer', async () => {
    const others: Answered[] = [];
    for (let n = 0; n < 20; n++) others.push(await get('/hung/'));
    const cookie = await sessionOn('hung', 'a');
    const asked = Array.from({ length: MANY }, (_, n) => get('/hung/?hold', n % 2 === 0 ? cookie : ''));
    for (const { code } of await Promise.all(asked)) assert.equal(code, 'BACKEND_TIMEOUT');
    for (const { cookie: other, backend } of others) assert.equal((await get('/hung/', other)).backend, backend);
  });

  test('H2: sessions that have nothing to do with each other eject their backend', async () => {
    const all = await sessions('many', 40);
    const onA = all.filter(({ backend }) => backend === 'a').slice(0, 5);
    for (const { cookie } of onA) assert.equal((await get('/many/?status=503', cookie)).status, 503);
    await eventually('a to be ejected', async () => (await admin.backend('many', 'a')).health === 'down');
    assert.equal((await get('/many/', onA[0]!.cookie)).backend, 'b');
  });

  test('H2: while probes succeed statuses eject nobody', async () => {
    await eventually('a to be up', async () => (await admin.backend('probed', 'a')).health === 'up');
    const all = await sessions('probed', 40);
    await Promise.all(all.map(({ cookie }) => get('/probed/?status=503', cookie)));
    await assertStay('probed', all);
  });
});
