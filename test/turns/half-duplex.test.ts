import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, afterEach, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';
import { workerConnections } from '../support/worker-connections.ts';
import { HeldBackend } from './held-backend.ts';

const WAIT = 30_000;
const PRELOAD = new URL('../support/crash-on-signal.ts', import.meta.url).href;

describe('half-duplex: one request of a session at a time, over 2 workers', () => {
  let a: HeldBackend;
  let b: HeldBackend;
  let limpet: LimpetProcess;
  let admin: Admin;
  let opened: RawClient[] = [];

  before(async () => {
    a = await new HeldBackend('a').start();
    b = await new HeldBackend('b').start();
    const pool = (max: number, wait: string, affinity: string): string => `
    backends:
      - { id: a, url: "${a.url}", replicas: [b] }
      - { id: b, url: "${b.url}", replicas: [a], backup: true }
    session: { dialog: half-duplex, dialogQueue: { max: ${max}, wait: ${wait} }, rotateOn: [{ path: /hold/rotate }] }
    health: { passive: { failures: 1000 } }
    affinity: [${affinity}]`;
    limpet = await startLimpetProcess(
      `
listeners: [{ bind: "127.0.0.1:0", h2c: true }]
workers: 2
routes:
  - { match: { headers: { x-pool: short } }, pool: short }
  - { match: { headers: { x-pool: full } }, pool: full }
  - { match: { headers: { x-pool: free } }, pool: turns, sticky: false }
  - { pool: turns }
pools:
  turns: ${pool(12, '60s', '{ by: header, name: X-Key }, { by: cookie }')}
  short: ${pool(12, '300ms', '{ by: cookie, name: short }')}
  full: ${pool(2, '60s', '{ by: cookie, name: full }')}
`,
      { env: { NODE_OPTIONS: `--import=${PRELOAD}` } },
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all([a?.stop(), b?.stop()]);
  });
  afterEach(async () => {
    for (const client of opened) client.close();
    opened = [];
    await eventually(
      'all turns to be given back',
      async () => {
        for (const backend of [a, b]) for (const held of [...backend.held]) held.answer();
        return (await admin.metric('limpet_dialog_turns')) === 0;
      },
      WAIT,
    );
    assert.equal(await admin.metric('limpet_dialog_waiting'), 0);
    for (const backend of [a, b]) backend.names.length = 0;
  });

  /** Cookie of a new session. */
  async function session(headers: Record<string, string> = {}): Promise<string> {
    const { cookie } = await ask(limpet.url, { headers });
    assert.notEqual(cookie, '');
    return cookie;
  }

  async function clients(count: number): Promise<RawClient[]> {
    const made = await Promise.all(Array.from({ length: count }, () => RawClient.open(limpet.port)));
    opened.push(...made);
    return made;
  }

  /** Sends a GET; `more` are whole header lines. */
  function send(client: RawClient, path: string, cookie: string, more = ''): void {
    client.text = '';
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n${cookie === '' ? '' : `Cookie: ${cookie}\r\n`}${more}\r\n`);
  }

  const whole = (client: RawClient): Promise<string> => client.until(isWhole, WAIT);
  const waiting = (count: number): Promise<unknown> =>
    eventually(`${count} to wait`, async () => (await admin.metric('limpet_dialog_waiting')) === count, WAIT);
  const arrived = (name: string, backend = a): Promise<unknown> =>
    eventually(`${name} at the application`, () => backend.held.some((held) => held.name === name), WAIT);
  /** Waits until the application has the request, and answers it. */
  async function answer(name: string, backend = a, headers: Record<string, string> = {}): Promise<void> {
    await arrived(name, backend);
    backend.held.find((held) => held.name === name)!.answer(headers);
  }

  test('requests of a session in both workers reach the application one at a time, in order of arrival', async () => {
    const cookie = await session();
    const [one, other] = await workerConnections(limpet.port, '/', 5, opened);
    const all = one.flatMap((client, i) => (i % 2 === 0 ? [client, other[i]!] : [other[i]!, client]));
    for (const [i, client] of all.entries()) {
      send(client, `/hold/${i}`, cookie);
      if (i === 0) await arrived('0');
      else await waiting(i);
    }
    for (const [i, client] of all.entries()) {
      await arrived(String(i));
      assert.equal(a.held.length, 1);
      await answer(String(i));
      assert.ok((await whole(client)).endsWith(`\r\n\r\n${i}`));
    }
    assert.deepEqual(
      a.names,
      all.map((_, i) => String(i)),
    );
    const counts = (await admin.sessions('turns')).map(({ requests }) => requests);
    assert.equal(Math.max(...counts), 11, 'a request that has waited is counted once');
  });

  test('the turn lasts until the whole response has come, not only its head', async () => {
    const cookie = await session();
    const [first, second] = (await clients(2)) as [RawClient, RawClient];
    send(first, '/slow/one', cookie);
    await first.until((text) => text.endsWith('\r\n\r\no'), WAIT);
    send(second, '/hold/two', cookie);
    await waiting(1);
    assert.deepEqual(a.names, ['one']);
    await answer('one');
    await whole(first);
    await answer('two');
    assert.ok((await whole(second)).endsWith('two'));
  });

  test('other sessions do not wait, neither do requests that begin one, nor those of a route that is not sticky', async () => {
    const [mine, yours] = [await session(), await session()];
    const all = (await clients(7)) as [RawClient, RawClient, RawClient, RawClient, RawClient, RawClient, RawClient];
    send(all[0], '/hold/mine', mine);
    await arrived('mine');
    send(all[1], '/hold/yours', yours);
    send(all[2], '/hold/new', '');
    send(all[3], '/hold/newer', '');
    send(all[4], '/hold/free', mine, 'X-Pool: free\r\n');
    for (const name of ['yours', 'new', 'newer', 'free']) await arrived(name);
    // Two first requests with one key that the client chose are of one session.
    send(all[5], '/hold/first', '', 'X-Key: one\r\n');
    await arrived('first');
    send(all[6], '/hold/second', '', 'X-Key: one\r\n');
    await waiting(1);
    await answer('first');
    await answer('second');
    assert.ok((await whole(all[6])).endsWith('second'));
  });

  test('when the queue is full a request is refused with 429, and those that wait keep their places', async () => {
    const headers = { 'x-pool': 'full' };
    const cookie = await session(headers);
    const all = await clients(3);
    for (const [i, client] of all.entries()) {
      send(client, `/hold/${i}`, cookie, 'X-Pool: full\r\n');
      if (i === 0) await arrived('0');
      else await waiting(i);
    }
    const refused = await ask(`${limpet.url}/hold/no`, { headers: { ...headers, cookie } });
    assert.deepEqual([refused.status, refused.code, refused.headers['retry-after']], [429, 'DIALOG_QUEUE_FULL', '1']);
    assert.equal((await ask(limpet.url, { headers })).status, 200, 'another session');
    for (const [i, client] of all.entries()) {
      await answer(String(i));
      assert.ok((await whole(client)).endsWith(`\r\n\r\n${i}`));
    }
    assert.equal((await ask(limpet.url, { headers: { ...headers, cookie } })).status, 200);
    assert.deepEqual(a.names, ['0', '1', '2']);
  });

  test('who waits for too long gets 503, the application never sees it, and the session goes on', async () => {
    const headers = { 'x-pool': 'short' };
    const cookie = await session(headers);
    const [first] = (await clients(1)) as [RawClient];
    send(first, '/hold/first', cookie, 'X-Pool: short\r\n');
    await arrived('first');
    const late = await ask(`${limpet.url}/hold/late`, { headers: { ...headers, cookie } });
    assert.deepEqual([late.status, late.code, late.headers['retry-after']], [503, 'DIALOG_TIMEOUT', '1']);
    await answer('first');
    await whole(first);
    assert.equal((await ask(limpet.url, { headers: { ...headers, cookie } })).status, 200);
    assert.deepEqual(a.names, ['first']);
  });

  test('who leaves while it waits, or while it has the turn, holds nobody up', async () => {
    const cookie = await session();
    const [one, other] = await workerConnections(limpet.port, '/', 2, opened);
    const [first, second] = one as [RawClient, RawClient];
    const [third, fourth] = other as [RawClient, RawClient];
    send(first, '/hold/first', cookie);
    await arrived('first');
    for (const [i, [client, name]] of (
      [
        [third, 'third'],
        [second, 'second'],
        [fourth, 'fourth'],
      ] as const
    ).entries()) {
      send(client, `/hold/${name}`, cookie);
      await waiting(i + 1);
    }
    third.socket.resetAndDestroy();
    await waiting(2);
    first.socket.resetAndDestroy();
    await answer('second');
    await whole(second);
    await arrived('fourth');
    assert.deepEqual(a.names, ['first', 'second', 'fourth']);
  });

  test('a WebSocket and an event stream give the turn back when they have begun', async () => {
    const cookie = await session();
    const [stream, socket] = (await clients(2)) as [RawClient, RawClient];
    send(stream, '/events', cookie);
    await stream.until((text) => text.includes('data: hello'), WAIT);
    send(socket, '/upgrade', cookie, 'Connection: upgrade\r\nUpgrade: chat\r\n');
    await socket.until((text) => text.startsWith('HTTP/1.1 101 '), WAIT);
    const answered = await ask(limpet.url, { headers: { cookie } });
    assert.deepEqual([answered.status, answered.backend], [200, 'a']);
    assert.deepEqual([stream.closed, socket.closed], [false, false]);
  });

  test('an upgrade waits for its turn as any other request', async () => {
    const cookie = await session();
    const [first, socket] = (await clients(2)) as [RawClient, RawClient];
    send(first, '/hold/first', cookie);
    await arrived('first');
    send(socket, '/upgrade', cookie, 'Connection: upgrade\r\nUpgrade: chat\r\n');
    await waiting(1);
    assert.equal(socket.text, '');
    await answer('first');
    await socket.until((text) => text.startsWith('HTTP/1.1 101 '), WAIT);
  });

  test('a body that comes while its request waits is whole, also when it is larger than what is kept', async () => {
    const cookie = await session();
    const [first] = (await clients(1)) as [RawClient];
    send(first, '/hold/first', cookie);
    await arrived('first');
    const body = 'x'.repeat(1_000_000);
    const upload = ask(`${limpet.url}/echo`, { method: 'POST', headers: { cookie }, body });
    await waiting(1);
    await answer('first');
    const { status, body: text } = await upload;
    assert.deepEqual([status, JSON.parse(text).bytes], [200, body.length]);
  });

  test('streams of one HTTP/2 connection take turns too', async () => {
    const cookie = await session();
    const client = connect(limpet.url);
    client.on('error', () => {});
    await once(client, 'remoteSettings');
    const streams = ['first', 'second', 'third'].map((name) => {
      const stream = client.request({ ':path': `/hold/${name}`, cookie });
      return { name, text: stream.setEncoding('utf8').toArray() as Promise<string[]> };
    });
    await arrived('first');
    await waiting(2);
    for (const { name, text } of streams) {
      assert.deepEqual(
        a.held.map((held) => held.name).filter((held) => held !== name),
        [],
      );
      await answer(name);
      assert.equal((await text).join(''), name);
    }
    client.destroy();
  });

  test('a session that ends while a request waits: that request begins a new one', async () => {
    const cookie = await session();
    const [first, second] = (await clients(2)) as [RawClient, RawClient];
    send(first, '/hold/first', cookie);
    await arrived('first');
    send(second, '/hold/second', cookie);
    await waiting(1);
    await admin.endSession(a.held[0]!.session);
    const ended = a.held[0]!.session;
    await answer('first');
    await arrived('second');
    assert.notEqual(a.held[0]!.session, ended);
    await answer('second');
    const text = await whole(second);
    assert.match(text, /^HTTP\/1.1 200 /);
    assert.match(text, /\r\nset-cookie: limpet=/i);
    assert.ok(!text.includes(cookie), 'with another id');
  });

  test('a session that is moved while a request waits: that request goes to its new backend', async () => {
    const cookie = await session();
    const [first, second] = (await clients(2)) as [RawClient, RawClient];
    send(first, '/hold/first', cookie);
    await arrived('first');
    send(second, '/hold/second', cookie);
    await waiting(1);
    await admin.moveSession(a.held[0]!.session, 'b');
    await answer('first');
    await answer('second', b);
    assert.match(await whole(second), /\r\nx-backend: b\r\n/i);
  });

  test('a session that gets a new id while requests wait: they keep their turns, and so do those that come with the new id', async () => {
    const cookie = await session();
    const [one, other] = await workerConnections(limpet.port, '/', 2, opened);
    const [first, third] = one as [RawClient, RawClient];
    const [second, fourth] = other as [RawClient, RawClient];
    send(first, '/hold/rotate', cookie);
    await arrived('rotate');
    const former = a.held[0]!.session;
    send(second, '/hold/second', cookie);
    await waiting(1);
    send(third, '/hold/third', cookie);
    await waiting(2);
    await answer('rotate');
    const renewed = /\r\nset-cookie: (limpet=[^;]+)/i.exec(await whole(first))![1]!;
    assert.notEqual(renewed, cookie);
    await arrived('second');
    send(fourth, '/hold/fourth', renewed);
    await waiting(2);
    assert.deepEqual(
      a.held.map(({ name }) => name),
      ['second'],
    );
    // The application is told the id that the client has shown.
    assert.equal(a.held[0]!.session, former);
    await answer('second');
    await arrived('third');
    assert.equal(a.held[0]!.session, former);
    await answer('third');
    assert.doesNotMatch(await whole(third), /\r\nset-cookie: /i);
    await arrived('fourth');
    assert.notEqual(a.held[0]!.session, former);
    await answer('fourth');
    assert.deepEqual(a.names, ['rotate', 'second', 'third', 'fourth']);
  });

  test('a backend that dies while others wait: all of them get an answer from its replica, one at a time', async () => {
    const cookie = await session();
    const all = await clients(4);
    for (const [i, client] of all.entries()) {
      send(client, `/hold/${i}`, cookie);
      if (i === 0) await arrived('0');
      else await waiting(i);
    }
    await a.stop();
    try {
      for (const [i, client] of all.entries()) {
        await arrived(String(i), b);
        assert.equal(b.held.length, 1);
        await answer(String(i), b);
        assert.match(await whole(client), /\r\nx-backend: b\r\n/i);
      }
    } finally {
      await a.start();
    }
    assert.deepEqual(b.names, ['0', '1', '2', '3']);
  });

  test('a worker that dies gives back what it held: the request that waits in the other one has its turn', async () => {
    const cookie = await session();
    const [one, other] = await workerConnections(limpet.port, '/', 1, opened);
    const both = [one[0]!, other[0]!];
    // Which of them is in the worker that will die is not known: each has the turn once, with the other one waiting.
    send(both[0]!, '/hold/0', cookie);
    await arrived('0');
    send(both[1]!, '/hold/1', cookie);
    await waiting(1);
    const crashed = limpet.log.length;
    limpet.process.kill('SIGUSR2');
    await limpet.logged((line) => line.msg === 'worker is started again' && limpet.log.indexOf(line) >= crashed);
    await eventually('one connection to be closed', () => both.some(({ closed, ended }) => closed || ended), WAIT);
    const left = both.findIndex(({ closed, ended }) => !closed && !ended);
    assert.notEqual(left, -1);
    await answer(String(left));
    assert.ok((await whole(both[left]!)).endsWith(`\r\n\r\n${left}`));
    const after: Answered = await ask(limpet.url, { headers: { cookie } });
    assert.equal(after.status, 200);
  });
});

test('simplex: GET and HEAD only, and no upgrade', async (t) => {
  const backend = await new HeldBackend('a').start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(
    `workers: 2\npools: { read: { backends: [{ id: a, url: "${backend.url}" }], session: { dialog: simplex } } }\n`,
  );
  t.after(() => limpet.stop());
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE']) {
    const refused = await ask(limpet.url, { method });
    assert.deepEqual([refused.status, refused.code], [405, 'METHOD_NOT_ALLOWED'], method);
    assert.equal(refused.headers.allow, 'GET, HEAD');
    assert.equal(refused.cookie, '', 'no session begins');
  }
  const client = await RawClient.open(limpet.port);
  t.after(() => client.close());
  client.send('GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n');
  assert.match(await client.until(isWhole, WAIT), /^HTTP\/1.1 405 [\s\S]*\r\nAllow: GET, HEAD\r\n/);
  assert.equal(backend.seen.length, 0);
  for (const method of ['GET', 'HEAD']) assert.equal((await ask(limpet.url, { method })).status, 200);
});
