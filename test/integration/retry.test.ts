import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { BlackHole } from '../support/black-hole.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';
import { drop, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const BODY = Buffer.alloc(65_536, 'x');
const PROBES = 'health: { passive: null, active: { path: /healthz, interval: 1s, timeout: 1s, rise: 1, fall: 2 } }';

interface Echo {
  readonly id: string;
  readonly bytes: number;
  readonly headers: Record<string, string>;
}

describe('attempts and retries', () => {
  /** Answer as the test says. */
  const fleet = ['a', 'b', 'c', 'd'].map((id) => new HttpBackend(id));
  /** Come and go. */
  const mortal = ['a', 'b', 'c'].map((id) => new HttpBackend(id));
  let hole: BlackHole;
  let dead: DeadPort[] = [];
  let race: RawBackend;
  let limpet: LimpetProcess;
  let admin: Admin;
  /** What the backends of the fleet do with the nth request (from 0) of a test. */
  let onRequest: (nth: number, request: IncomingMessage, response: ServerResponse, backend: HttpBackend) => void;
  let arrived = 0;
  const clients: RawClient[] = [];

  before(async () => {
    for (const backend of fleet) {
      backend.answer = (request, response, self) => {
        // Each request has a connection of its own, so that none of its ends can be a keep-alive race (behaviour 30).
        response.setHeader('Connection', 'close');
        onRequest(arrived++, request, response, self);
      };
      await backend.start();
    }
    for (const backend of mortal) await backend.start();
    hole = await BlackHole.open();
    race = await RawBackend.start(() => {});
    dead = [await DeadPort.open(), await DeadPort.open(), await DeadPort.open()];
    const pools: string[] = [];
    const at = (id: string, url: string, more = ''): string => `{ id: ${id}, url: "${url}"${more} }`;
    const pool = (name: string, backends: string[], more: string): void => {
      pools.push(`  ${name}: { backends: [${backends.join(', ')}], balance: round-robin, ${more} }`);
    };
    const [a, b, c, d] = fleet.map(({ id, url }) => at(id, url)) as [string, string, string, string];
    const holed = at('hole', hole.url);
    const plain = 'affinity: [], health: { passive: null }';
    const key = 'affinity: [{ by: header, name: x-key }]';
    pool('refused', [at('dead', dead[0]!.url), a], plain);
    pool('hole', [holed, a], `${plain}, timeouts: { connect: 200ms }`);
    pool('patient', [holed, a], `${plain}, timeouts: { connect: 1500ms }`);
    pool('only-hole', [holed], `${plain}, timeouts: { connect: 200ms }`);
    pool(
      'dead',
      [at('x', dead[0]!.url), at('y', dead[1]!.url), at('z', dead[2]!.url)],
      `${plain}, retry: { attempts: 10 }`,
    );
    pool('pair', [a, b], plain);
    pool('keyed', [a, b], `${plain}, retry: { idempotencyKey: true }`);
    pool('small', [a, b], `${plain}, retry: { bodyBuffer: 8KiB }`);
    pool('four', [a, b, c, d], plain);
    pool('often', [a, b, c, d], `${plain}, retry: { attempts: 10 }`);
    pool('once', [a, b], `${plain}, retry: { attempts: 0 }`);
    pool('bound', [a, b, c], `${key}, health: { passive: null }`);
    pool('status', [a, b], `${plain}, retry: { statuses: [502, 503] }`);
    pool('budget', [a, b, c], plain);
    pool('slow', [a, b], `${plain}, timeouts: { response: 300ms }`);
    pool('single', [a], `${plain}, timeouts: { response: 300ms }`);
    pool('queue', [at('a', fleet[0]!.url, ', maxRequests: 1')], `${plain}, timeouts: { queue: 300ms }`);
    pool('race', [at('a', race.url)], 'affinity: []');
    pool('narrow', [at('a', race.url, ', maxRequests: 1')], 'affinity: []');
    const [e, f, g] = mortal.map(({ id, url }) => at(id, url)) as [string, string, string];
    const replicated = at('a', mortal[0]!.url, ', replicas: [b]');
    pool('mortal', [e, f, g], `${key}, ${PROBES}`);
    pool('replicas', [replicated, f, g], `${key}, failover: { to: [replicas] }, ${PROBES}`);
    pool('lost', [e, f, g], `failover: { onLost: reject }, ${PROBES}`);
    pool(
      'lost-status',
      [at('a', fleet[0]!.url, ', replicas: [b]'), at('b', dead[0]!.url)],
      `${key}, failover: { onLost: reject }, retry: { statuses: [503] }, ${PROBES}`,
    );
    pool('lost-key', [e, f, g], `${key}, failover: { onLost: reject }, ${PROBES}`);
    const names = pools.map((text) => text.trim().split(':')[0]!);
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'routes:',
        ...names.map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...pools,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  beforeEach(() => {
    arrived = 0;
    onRequest = (_nth, request, response, backend) => echo(request, response, backend);
    for (const backend of fleet) backend.seen.length = 0;
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    for (const client of clients) client.close();
    await limpet?.stop();
    await Promise.all([...fleet, ...mortal].map((backend) => backend.stop()));
    await race?.stop();
    await hole?.close();
    await Promise.all(dead.map((port) => port.close()));
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers });
  const open = async (): Promise<RawClient> => {
    const client = await RawClient.open(limpet.port);
    clients.push(client);
    return client;
  };
  /** The access log line of the only request with this path. */
  const line = (path: string): Promise<Record<string, unknown>> =>
    limpet.logged((entry) => entry.msg === 'request' && entry.path === path);
  const seenBy = (): string[] => fleet.flatMap(({ id, seen }) => seen.map(() => id));

  for (const [how, pool] of [
    ['refused', 'refused'],
    ['not answered in time', 'hole'],
  ] as const) {
    test(`27: a connection that is ${how}: any method goes elsewhere, with its body`, async () => {
      for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
        const attempts: unknown[] = [];
        // The two backends take turns: one of two requests meets the dead one first.
        for (const turn of [1, 2]) {
          const path = `/${pool}/${method}/${turn}`;
          const body = method === 'POST' || method === 'PATCH' ? BODY : undefined;
          const answer = await ask(limpet.url + path, { method, ...(body === undefined ? {} : { body }) });
          assert.equal(answer.status, 200, `${method}: ${answer.code}`);
          assert.equal((JSON.parse(answer.body) as Echo).bytes, body?.length ?? 0);
          attempts.push((await line(path)).attempts);
        }
        assert.deepEqual(attempts.sort(), [1, 2]);
      }
      assert.equal((await admin.backend(pool, pool === 'hole' ? 'hole' : 'dead')).lastError, 'BACKEND_CONNECT');
    });
  }

  test('L19, 28: after an answer that is no valid HTTP a method that may be repeated goes elsewhere, as after a reset', async () => {
    const status: Record<string, string> = {};
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'PATCH']) {
      arrived = 0;
      for (const backend of fleet) backend.seen.length = 0;
      onRequest = (nth, request, response, backend) => {
        if (nth > 0) return echo(request, response, backend);
        request
          .resume()
          .once('end', () => request.socket.end('HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n'));
      };
      const body = method === 'PUT' || method === 'POST' || method === 'PATCH' ? { body: 'some' } : {};
      const answer = await ask(`${limpet.url}/pair/L19`, { method, ...body });
      status[method] = `${answer.status} ${answer.code} after ${seenBy().length}`.replace('  ', ' ');
      assert.equal(new Set(seenBy()).size, seenBy().length, 'never twice at one backend');
    }
    const twice = '200 after 2';
    const never = '502 BACKEND_PROTOCOL after 1';
    assert.deepEqual(status, { GET: twice, HEAD: twice, PUT: twice, DELETE: twice, POST: never, PATCH: never });
    onRequest = (_nth, request) => void request.socket.end('garbage\r\n\r\n');
    const all = await get('/pair/L19/all');
    assert.deepEqual([all.status, all.code], [502, 'BACKEND_PROTOCOL'], 'where no backend is left');
  });

  test('28: a backend that closes without an answer: only methods that may be repeated are', async () => {
    const status: Record<string, string> = {};
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'PROPFIND']) {
      arrived = 0;
      for (const backend of fleet) backend.seen.length = 0;
      onRequest = (nth, ...rest) => (nth === 0 ? drop(rest[0]) : echo(...rest));
      const body = method === 'PUT' || method === 'POST' || method === 'PATCH' ? { body: 'some' } : {};
      const answer = await ask(`${limpet.url}/pair/28`, { method, ...body });
      status[method] = `${answer.status} ${answer.code} after ${seenBy().length}`.replace('  ', ' ');
      assert.equal(new Set(seenBy()).size, seenBy().length, 'never twice at one backend');
    }
    const twice = '200 after 2';
    const never = '502 BACKEND_RESET after 1';
    assert.deepEqual(status, {
      ...{ GET: twice, HEAD: twice, OPTIONS: twice, TRACE: twice, PUT: twice, DELETE: twice },
      ...{ POST: never, PATCH: never, PROPFIND: never },
    });
  });

  test('28: Idempotency-Key makes a POST repeatable where that is switched on', async () => {
    onRequest = (nth, ...rest) => (nth % 2 === 0 ? drop(rest[0]) : echo(...rest));
    const headers = { 'idempotency-key': '"8e03978e"' };
    const on = await ask(`${limpet.url}/keyed`, { method: 'POST', headers, body: 'order' });
    assert.deepEqual([on.status, (JSON.parse(on.body) as Echo).bytes, arrived], [200, 5, 2]);
    const without = await ask(`${limpet.url}/keyed`, { method: 'POST', body: 'order' });
    assert.deepEqual([without.status, without.code, arrived], [502, 'BACKEND_RESET', 3]);
    arrived = 0;
    const off = await ask(`${limpet.url}/pair`, { method: 'POST', headers, body: 'order' });
    assert.deepEqual([off.status, off.code, arrived], [502, 'BACKEND_RESET', 1]);
  });

  test('29, 64: once the response has begun there is no retry, the connection is cut', async () => {
    onRequest = (_nth, _request, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half');
      setImmediate(() => response.socket?.destroy());
    };
    const client = await open();
    client.send('GET /pair/29 HTTP/1.1\r\nHost: x\r\n\r\n');
    const text = await client.end();
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.ok(text.endsWith('\r\n\r\nhalf'));
    assert.equal(arrived, 1);
    const logged = await line('/pair/29');
    assert.deepEqual([logged.status, logged.error, logged.attempts], [200, 'BACKEND_RESET', 1]);
  });

  describe('30: a connection that had served before closes as the next request comes', () => {
    const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    /** Connections that a request came on: a look for the backend's return makes one without. */
    const served = () => race.connections.filter(({ text }) => text !== '').length;
    /** Answers the first request of a connection and closes it on the second one. */
    const closing = (pool: string): void => {
      race.answer = (connection) => {
        const requests = connection.text.split(`/${pool}`).length - 1;
        if (!connection.text.endsWith('\r\n\r\n') && !connection.text.endsWith('body')) return;
        if (requests === 1) connection.socket.write(OK);
        else connection.socket.resetAndDestroy();
      };
    };
    const warmUp = async (pool: string): Promise<void> => {
      race.connections.length = 0;
      closing(pool);
      assert.equal((await get(`/${pool}`)).status, 200);
      assert.equal(served(), 1);
    };

    test('30: a GET is sent again on a fresh connection to the same backend, which is not blamed', async () => {
      await warmUp('race');
      const before = await admin.backend('race', 'a');
      const answer = await get('/race/30');
      assert.equal(answer.status, 200);
      assert.equal(served(), 2, 'on a fresh connection');
      assert.equal((await line('/race/30')).attempts, 1, 'it is no attempt');
      assert.equal((await admin.backend('race', 'a')).failures, before.failures);
      await eventually(
        'the count',
        async () => (await admin.metric('limpet_retries_total', { pool: 'race', reason: 'keep-alive-race' })) === 1,
      );
    });

    test('30: a POST gets 502 BACKEND_RESET, and the backend is not blamed either', async () => {
      await warmUp('race');
      const before = await admin.backend('race', 'a');
      const answer = await ask(`${limpet.url}/race/30`, { method: 'POST', body: 'body' });
      assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_RESET']);
      assert.equal(served(), 1);
      assert.equal((await admin.backend('race', 'a')).failures, before.failures);
    });

    test('30: a backend that closes the fresh connection too has failed', async () => {
      await warmUp('race');
      const before = await admin.backend('race', 'a');
      race.answer = ({ socket, text }) => void (text.endsWith('\r\n\r\n') && socket.resetAndDestroy());
      const answer = await get('/race/30/again');
      assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_RESET']);
      assert.equal(served(), 2);
      assert.equal((await admin.backend('race', 'a')).failures, before.failures + 1);
    });

    test('30: the place below maxRequests is kept meanwhile: the backend never has more in flight', async () => {
      await warmUp('narrow');
      let inFlight = 0;
      let most = 0;
      race.answer = (connection) => {
        if (!connection.text.endsWith('\r\n\r\n')) return;
        if (connection === race.connections[0]) {
          connection.socket.resetAndDestroy();
          return;
        }
        connection.text = '';
        most = Math.max(most, ++inFlight);
        setTimeout(() => {
          inFlight--;
          connection.socket.write(OK);
        }, 50);
      };
      const answers = await Promise.all([get('/narrow/1'), get('/narrow/2'), get('/narrow/3')]);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200],
      );
      assert.equal(most, 1);
    });
  });

  test('31: a retry goes to backends not tried yet, and to as many as retry.attempts allows', async () => {
    onRequest = (_nth, request) => drop(request);
    for (const [pool, attempts] of [
      ['four', 3],
      ['often', 4],
      ['once', 1],
    ] as const) {
      for (const backend of fleet) backend.seen.length = 0;
      const answer = await get(`/${pool}/31`);
      assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_RESET']);
      assert.equal(seenBy().length, attempts);
      assert.equal(new Set(seenBy()).size, attempts, `${pool}: ${seenBy().join()}`);
      assert.equal((await line(`/${pool}/31`)).attempts, attempts);
    }
  });

  test('31: the bound backend counts as tried too', async () => {
    const first = await get('/bound', { 'x-key': 'k31' });
    arrived = 0;
    onRequest = (nth, ...rest) => (nth < 2 ? drop(rest[0]) : echo(...rest));
    for (const backend of fleet) backend.seen.length = 0;
    const answer = await get('/bound', { 'x-key': 'k31' });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.backend, first.backend);
    assert.deepEqual(seenBy().sort(), ['a', 'b', 'c']);
    // The session is where it was answered (behaviour 3).
    assert.equal((await get('/bound', { 'x-key': 'k31' })).backend, answer.backend);
  });

  test('32: a body is not read before there is a connection, so that a large one can still go elsewhere', async () => {
    const size = 1_000_000;
    const attempts: unknown[] = [];
    // The two backends take turns: one of two requests meets the one that does not answer first. Its body is far larger
    // than what is kept for a retry: had it been read, it could not go to the other one.
    for (const turn of [1, 2]) {
      const client = await open();
      client.send(`POST /patient/${turn} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
      client.send(Buffer.alloc(size, 'x'));
      const whole = client.until(isWhole);
      await whole;
      assert.equal((JSON.parse(client.text.slice(client.text.indexOf('{'))) as Echo).bytes, size);
      const logged = await line(`/patient/${turn}`);
      attempts.push(logged.attempts);
    }
    assert.deepEqual(attempts.sort(), [1, 2]);
  });

  test('35: a client that leaves is a 499 in log and metrics, not retried, and no fault of the backend', async () => {
    const counts = () => admin.metric('limpet_requests_total', { pool: 'pair', code: '499' });
    const errors = () => admin.metric('limpet_errors_total', { code: 'CLIENT_GONE' });
    const [countBefore, errorsBefore, a, b] = await Promise.all([
      counts(),
      errors(),
      admin.backend('pair', 'a'),
      admin.backend('pair', 'b'),
    ]);
    const came = Promise.withResolvers<IncomingMessage>();
    onRequest = (_nth, request) => came.resolve(request);
    const client = await open();
    client.send('GET /pair/35 HTTP/1.1\r\nHost: x\r\n\r\n');
    const { socket } = await came.promise;
    const closed = once(socket, 'close');
    client.socket.resetAndDestroy();
    const logged = await line('/pair/35');
    assert.deepEqual([logged.status, logged.error, logged.attempts], [499, 'CLIENT_GONE', 1]);
    await closed;
    assert.equal(arrived, 1);
    await eventually('the count', async () => (await errors()) === errorsBefore + 1);
    assert.equal(await counts(), countBefore + 1);
    assert.equal((await admin.backend('pair', 'a')).failures, a.failures);
    assert.equal((await admin.backend('pair', 'b')).failures, b.failures);
    assert.equal((await admin.backend('pair', 'a')).activeRequests, 0);
  });

  test('35: so is one that breaks off its request body', async () => {
    const failures = async () =>
      (await admin.backend('pair', 'a')).failures + (await admin.backend('pair', 'b')).failures;
    const before = await failures();
    const came = Promise.withResolvers<IncomingMessage>();
    onRequest = (_nth, request) => {
      request.once('data', () => came.resolve(request));
    };
    const client = await open();
    client.send('PUT /pair/35/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf');
    const request = await came.promise;
    const broken = Promise.withResolvers<void>();
    request.once('close', () => broken.resolve());
    client.socket.end();
    const logged = await line('/pair/35/half');
    assert.deepEqual([logged.status, logged.error, logged.attempts], [499, 'CLIENT_GONE', 1]);
    await broken.promise;
    assert.equal(request.complete, false, 'nor is it whole at the backend');
    assert.equal(arrived, 1);
    assert.equal(await failures(), before);
  });

  test('36: with all backends down the answer is 503 at once, and bound sessions are not sprayed', async () => {
    const home = (await get('/mortal', { 'x-key': 'k36' })).backend;
    await Promise.all(mortal.map((backend) => backend.stop()));
    for (const { id } of mortal) await down('mortal', id);
    for (const headers of [{}, { 'x-key': 'k36' }] as Record<string, string>[]) {
      for (const method of ['GET', 'POST']) {
        const started = performance.now();
        const answer = await ask(`${limpet.url}/mortal`, { method, headers });
        assert.deepEqual([answer.status, answer.code, answer.headers['retry-after']], [503, 'NO_BACKEND', '5']);
        assert.ok(performance.now() - started < 5_000, 'it does not wait for anything');
      }
    }
    await Promise.all(mortal.map((backend) => backend.start()));
    for (const { id } of mortal) await up('mortal', id);
    assert.equal((await get('/mortal', { 'x-key': 'k36' })).backend, home, 'the session is where it was');
  });

  test('37: the search for a backend ends when all have been tried', async () => {
    const answer = await ask(`${limpet.url}/dead/37`, { method: 'POST', body: BODY });
    assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_CONNECT']);
    assert.equal((await line('/dead/37')).attempts, 3);
  });

  test('38: a pool whose backends all fail gets little more than the requests there are', async () => {
    onRequest = (_nth, request) => void setTimeout(() => request.socket.destroy(), 5);
    const agent = new Agent({ keepAlive: true, maxSockets: 40 });
    const requests = 1_500;
    let sent = 0;
    await Promise.all(
      Array.from({ length: 40 }, async () => {
        while (sent++ < requests) {
          const answer = await ask(`${limpet.url}/budget`, { agent });
          assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_RESET']);
        }
      }),
    );
    agent.destroy();
    assert.ok(arrived > requests, 'there are retries');
    // 20% of those in flight at once, and some while the first failures were not known yet.
    assert.ok(arrived < requests * 1.3 + 100, `${arrived} for ${requests}`);
  });

  test('retry.statuses: idempotent methods are retried on them, others get the answer', async () => {
    const busy = (response: ServerResponse): void => void response.writeHead(503, { 'X-Why': 'busy' }).end('busy');
    onRequest = (nth, ...rest) => (nth === 0 ? busy(rest[1]) : echo(...rest));
    const again = await get('/status/get');
    assert.deepEqual([again.status, arrived], [200, 2]);
    assert.equal((await line('/status/get')).attempts, 2);
    arrived = 0;
    const post = await ask(`${limpet.url}/status/post`, { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.headers['x-why'], post.code, arrived], [503, 'busy', '', 1]);
    // The last one's answer is passed on, when all say the same.
    onRequest = (_nth, _request, response) => busy(response);
    arrived = 0;
    const all = await get('/status/all');
    assert.deepEqual([all.status, all.body, all.code, arrived], [503, 'busy', '', 2]);
    for (const id of ['a', 'b']) assert.equal((await admin.backend('status', id)).lastError, null);
    await eventually('the count', async () => (await admin.metric('limpet_retries_total', { reason: 'status' })) === 2);
    onRequest = (_nth, _request, response) => void response.writeHead(500).end();
    assert.equal((await get('/status/500')).status, 500, 'only on those that are named');
  });

  test('retry.bodyBuffer: a body up to that size is sent again, a larger one is not', async () => {
    for (const [size, status, times] of [
      [8 * 1024, 200, 2],
      [8 * 1024 + 1, 502, 1],
      [100_000, 502, 1],
    ] as const) {
      arrived = 0;
      onRequest = (nth, ...rest) => (nth === 0 ? drop(rest[0]) : echo(...rest));
      const answer = await ask(`${limpet.url}/small`, { method: 'PUT', body: Buffer.alloc(size, 'x') });
      assert.deepEqual([answer.status, arrived], [status, times], `${size} bytes`);
      if (status === 200) assert.equal((JSON.parse(answer.body) as Echo).bytes, size);
    }
  });

  test('timeouts.response: another backend for what may be repeated, otherwise 504 BACKEND_TIMEOUT', async () => {
    const held: ServerResponse[] = [];
    onRequest = (nth, ...rest) => (nth === 0 ? void held.push(rest[1]) : echo(...rest));
    assert.equal((await get('/slow/get')).status, 200);
    arrived = 0;
    const post = await ask(`${limpet.url}/slow/post`, { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.code, arrived], [504, 'BACKEND_TIMEOUT', 1]);
    arrived = 0;
    const only = await get('/single/get');
    assert.deepEqual([only.status, only.code, arrived], [504, 'BACKEND_TIMEOUT', 1]);
    assert.equal((await admin.backend('single', 'a')).lastError, 'BACKEND_TIMEOUT');
  });

  test('timeouts.connect: 502 BACKEND_CONNECT when there is no other backend', async () => {
    const answer = await ask(`${limpet.url}/only-hole`, { method: 'POST', body: BODY });
    assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_CONNECT']);
  });

  test('timeouts.queue: 503 QUEUE_TIMEOUT for who waits too long for a place, and the next one gets it', async () => {
    const held = Promise.withResolvers<ServerResponse>();
    onRequest = (nth, ...rest) => (nth === 0 ? held.resolve(rest[1]) : echo(...rest));
    const first = get('/queue/1');
    const response = await held.promise;
    const waited = await get('/queue/2');
    assert.deepEqual([waited.status, waited.code, waited.headers['retry-after']], [503, 'QUEUE_TIMEOUT', '1']);
    const third = get('/queue/3');
    response.end('at last');
    assert.deepEqual([(await first).body, (await third).status], ['at last', 200]);
  });

  test('33: failover.to [replicas]: 503 when no replica is available, whoever else is', async () => {
    const [a, b] = mortal as [HttpBackend, HttpBackend, HttpBackend];
    const key = await keyOn('replicas', 'a');
    await Promise.all([a.stop(), b.stop()]);
    await down('replicas', 'a');
    await down('replicas', 'b');
    const none = await get('/replicas', { 'x-key': key });
    assert.deepEqual([none.status, none.code], [503, 'NO_BACKEND']);
    assert.equal((await get('/replicas', { 'x-key': 'new' })).backend, 'c', 'new sessions are served');
    await b.start();
    await up('replicas', 'b');
    const moved = await get('/replicas', { 'x-key': key });
    assert.equal(moved.backend, 'b');
    assert.equal((JSON.parse(moved.body) as Echo).headers['limpet-session-moved'], 'from=a; reason=backend-down');
    await a.start();
    await up('replicas', 'a');
  });

  test('failover.onLost reject: 503 SESSION_LOST ends the session, the next request begins a fresh one', async () => {
    const [a] = mortal as [HttpBackend, HttpBackend, HttpBackend];
    const key = await keyOn('lost-key', 'a');
    let cookie = '';
    for (let first = await get('/lost'); cookie === ''; first = await get('/lost'))
      if (first.backend === 'a') cookie = first.cookie;
    await a.stop();
    await down('lost', 'a');
    await down('lost-key', 'a');
    for (const [pool, headers] of [
      ['lost', { cookie }],
      ['lost-key', { 'x-key': key }],
    ] as [string, Record<string, string>][]) {
      const lost = await get(`/${pool}/reject`, headers);
      assert.deepEqual([lost.status, lost.code, lost.headers['retry-after']], [503, 'SESSION_LOST', '1']);
      assert.equal((await line(`/${pool}/reject`)).affinity, 'lost');
      const fresh = await get(`/${pool}/fresh`, headers);
      assert.equal(fresh.status, 200);
      assert.notEqual(fresh.backend, 'a');
      const { headers: told } = JSON.parse(fresh.body) as Echo;
      assert.equal(told['limpet-session-moved'], undefined, 'it did not move: it is new');
      if (pool === 'lost') assert.ok(fresh.cookie !== '' && fresh.cookie !== cookie);
    }
    await a.start();
    await up('lost', 'a');
    assert.notEqual((await get('/lost', { cookie })).cookie, '', 'the old cookie stays refused');
  });

  test('failover.onLost reject: one bad answer of a backend that is up does not end the session', async () => {
    await down('lost-status', 'b');
    await get('/lost-status', { 'x-key': 'k' });
    onRequest = (nth, ...rest) => (nth === 1 ? void rest[1].writeHead(503).end() : echo(...rest));
    const bad = await get('/lost-status', { 'x-key': 'k' });
    assert.deepEqual([bad.status, bad.code], [503, '']);
    assert.equal((await get('/lost-status', { 'x-key': 'k' })).status, 200);
    assert.equal((await admin.sessions('lost-status'))[0]!.requests, 3);
  });

  /** A key that is bound to this backend. */
  async function keyOn(pool: string, id: string): Promise<string> {
    for (let n = 0; ; n++) if ((await get(`/${pool}`, { 'x-key': `key-${n}` })).backend === id) return `key-${n}`;
  }

  async function down(pool: string, id: string): Promise<void> {
    await eventually(`${pool}/${id} to be down`, async () => (await admin.backend(pool, id)).health === 'down');
  }

  async function up(pool: string, id: string): Promise<void> {
    await eventually(`${pool}/${id} to be up`, async () => (await admin.backend(pool, id)).health === 'up');
  }
});
