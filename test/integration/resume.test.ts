import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, constants, createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type AppProcess, startApps } from '../support/app-process.ts';
import { ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { type Download, download } from '../support/download.ts';
import { eventually } from '../support/eventually.ts';
import { answerFile, type ServedFile } from '../support/file-answer.ts';
import { type Answer, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { patternFile } from '../support/pattern-file.ts';
import { RawClient } from '../support/raw-client.ts';

const MIB = 2 ** 20;
const ETAG = '"v1"';
/** Connections on the way hold some MiB: what is broken by a reset loses them. */
const LARGE = randomBytes(50 * MIB);
const SMALL = LARGE.subarray(0, 100_000);

describe('broken responses that are resumed', () => {
  const fleet = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => new HttpBackend(id));
  const http2: { server: Http2Server; port: number }[] = [];
  let apps: AppProcess[] = [];
  let limpet: LimpetProcess;
  let admin: Admin;
  /** How the nth answer of a test goes; behind the last one all are whole. */
  let plan: Partial<ServedFile>[] = [];
  let file: Buffer = SMALL;
  let asked = 0;
  const clients: RawClient[] = [];

  /** The same for a backend that speaks HTTP/2. */
  const onStream = (stream: ServerHttp2Stream, headers: Record<string, unknown>): void => {
    stream.on('error', () => {});
    const { most = Number.POSITIVE_INFINITY } = plan[asked++] ?? {};
    const first = Number(/^bytes=(\d+)-$/.exec(String(headers.range ?? ''))?.[1] ?? -1);
    const body = file.subarray(Math.max(first, 0));
    stream.respond({
      ':status': first < 0 ? 200 : 206,
      etag: ETAG,
      'content-length': body.length,
      ...(first < 0 ? {} : { 'content-range': `bytes ${first}-${file.length - 1}/${file.length}` }),
    });
    if (body.length <= most) stream.end(body);
    else stream.write(body.subarray(0, most), () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  };

  before(async () => {
    const answer: Answer = (request, response) => {
      request.resume();
      answerFile(request, response, { bytes: file, etag: ETAG, ...plan[asked++] });
    };
    for (const backend of fleet) {
      backend.answer = answer;
      await backend.start();
    }
    for (let n = 0; n < 3; n++) {
      const server = createServer();
      server.on('stream', onStream);
      server.on('session', (session) => session.on('error', () => {}));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      http2.push({ server, port: (server.address() as AddressInfo).port });
    }
    apps = await startApps(new URL('../support/file-server.ts', import.meta.url), 'a', 'b');
    const [a, b, c] = fleet.map(({ url }) => url) as [string, string, string];
    const all = fleet.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const pair = `[{ id: a, url: "${a}" }, { id: b, url: "${b}", backup: true }]`;
    const plain = 'affinity: [], health: { passive: null }';
    const resume = 'failover: { resume: true }';
    const pools = [
      `all: { backends: [${all}], ${plain}, ${resume}, retry: { attempts: 10 } }`,
      `pair: { backends: ${pair}, ${plain}, ${resume} }`,
      `off: { backends: ${pair}, ${plain} }`,
      `once: { backends: ${pair}, ${plain}, ${resume}, retry: { attempts: 0 } }`,
      `idle: { backends: ${pair}, ${plain}, ${resume}, timeouts: { idle: 1s } }`,
      `killed: { backends: [{ id: a, url: "${apps[0]!.url}" }, { id: b, url: "${apps[1]!.url}", backup: true }], affinity: [], ${resume} }`,
      `h2: { backends: [${http2.map(({ port }, n) => `{ id: h${n}, url: "http://127.0.0.1:${port}" }`).join(', ')}], http2: true, ${plain}, ${resume} }`,
      `session: { backends: [{ id: a, url: "${a}", replicas: [c] }, { id: b, url: "${b}", replicas: [c] }, { id: c, url: "${c}", replicas: [b] }], affinity: [{ by: app-cookie, name: app }, { by: cookie }], health: { passive: null }, ${resume} }`,
    ];
    const names = pools.map((text) => text.split(':')[0]!);
    const routes = names.map((name) => `  - { match: { path: /${name} }, pool: ${name} }`);
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'listeners: [{ bind: "127.0.0.1:0", h2c: true }]',
        'routes:',
        ...routes,
        'pools:',
        ...pools.map((text) => `  ${text}`),
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  beforeEach(() => {
    asked = 0;
    plan = [];
    file = SMALL;
    for (const backend of fleet) backend.seen.length = 0;
    for (const client of clients.splice(0)) client.close();
  });
  after(async () => {
    for (const client of clients) client.close();
    await limpet?.stop();
    for (const { server } of http2) server.close();
    await Promise.all(fleet.map((backend) => backend.stop()));
    await Promise.all(apps.map((app) => app.kill()));
  });

  const open = async (): Promise<RawClient> => {
    const client = await RawClient.open(limpet.port);
    clients.push(client);
    return client;
  };
  const line = (path: string): Promise<Record<string, unknown>> =>
    limpet.logged((entry) => entry.msg === 'request' && entry.path === path, 30_000);
  const metric = async (series: string): Promise<number> => {
    const text = await (await fetch(`${limpet.admin}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((entry) => entry.startsWith(`${series} `))
        ?.slice(series.length) ?? 0,
    );
  };
  /** Workers send their counts now and then. */
  const counted = (series: string, count: number): Promise<true> =>
    eventually(series, async () => (await metric(series)) === count, 30_000);
  const isExactly = ({ bytes, whole }: Download, expected: Buffer): void => {
    assert.equal(whole, true);
    assert.equal(bytes.length, expected.length);
    assert.ok(bytes.equals(expected), 'other bytes');
  };
  const isCut = ({ bytes, whole }: Download): void => {
    assert.equal(whole, false);
    assert.ok(bytes.equals(file.subarray(0, bytes.length)), 'other bytes');
  };
  const seenBy = (id: string): HttpBackend['seen'] => fleet.find((backend) => backend.id === id)!.seen;

  test('48-50: a file of 50 MiB that breaks five times comes as one, whatever breaks it', async () => {
    file = LARGE;
    for (const how of ['reset', 'fin'] as const) {
      asked = 0;
      for (const backend of fleet) backend.seen.length = 0;
      plan = Array.from({ length: 5 }, () => ({ most: Math.floor(Math.random() * 10 * MIB), how }));
      plan[0] = { most: 5 * MIB, how };
      const path = `/all/${how}`;
      const headers = { 'accept-encoding': 'br', 'if-none-match': '"old"', 'x-mine': 'yes' };
      isExactly(await download(limpet.url + path, { headers }), LARGE);
      const { attempts, error, status, bytesOut } = await line(path);
      assert.deepEqual({ error, status, bytesOut }, { error: null, status: 200, bytesOut: LARGE.length });
      assert.equal(attempts, 6);
      const seen = fleet.map((backend) => backend.seen);
      assert.deepEqual(
        seen.map(({ length }) => length),
        [1, 1, 1, 1, 1, 1],
        'no backend is asked twice',
      );
      for (const [{ headers: got }] of seen as [HttpBackend['seen'][0]][]) {
        assert.equal(got['accept-encoding'], 'br');
        assert.equal(got['x-mine'], 'yes');
        if (got.range === undefined) {
          assert.equal(got['if-none-match'], '"old"');
          assert.equal(got['if-range'], undefined);
          continue;
        }
        assert.match(got.range, /^bytes=\d+-$/);
        assert.equal(got['if-range'], ETAG);
        assert.equal(got['if-none-match'], undefined);
      }
    }
    await eventually('the metric', async () => (await metric('limpet_resumed_total{pool="all"}')) >= 2);
  });

  test('48, 49: a 206 goes on within its range', async () => {
    plan = [
      { most: 1_000, how: 'fin' },
      { most: 5_000, how: 'fin' },
    ];
    const answer = await download(`${limpet.url}/all/part`, { headers: { range: 'bytes=20000-79999' } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['content-range'], `bytes 20000-79999/${SMALL.length}`);
    isExactly(answer, SMALL.subarray(20_000, 80_000));
    const ranges = fleet.flatMap(({ seen }) => seen.map(({ headers }) => headers.range)).sort();
    assert.deepEqual(ranges, ['bytes=20000-79999', 'bytes=21000-79999', 'bytes=26000-79999']);
  });

  test('49: a response that breaks before the first byte of its body goes on from there', async () => {
    plan = [{ most: 0, how: 'fin' }];
    isExactly(await download(`${limpet.url}/pair/none`), SMALL);
    assert.equal(seenBy('b')[0]!.headers.range, 'bytes=0-');
  });

  test('48: a backend that falls silent in the middle is left, and gets the blame', async () => {
    const before = (await admin.backend('idle', 'a')).failures;
    plan = [{ most: 4_000, how: 'stall' }];
    isExactly(await download(`${limpet.url}/idle/silent`), SMALL);
    assert.equal(seenBy('b')[0]!.headers.range, 'bytes=4000-');
    assert.equal((await admin.backend('idle', 'a')).failures, before + 1);
    await counted('limpet_retries_total{pool="idle",reason="timeout"}', 1);
  });

  for (const [what, pool, options, first] of [
    ['POST', 'pair', { method: 'POST', body: 'x' }, {}],
    ['PUT', 'pair', { method: 'PUT' }, {}],
    ['GET with a body', 'pair', { body: 'x', headers: { 'content-length': '1' } }, {}],
    ['a weak ETag', 'pair', {}, { etag: 'W/"v1"' }],
    ['Accept-Ranges: none', 'pair', {}, { headers: { 'Accept-Ranges': 'none' } }],
    ['no attempt left', 'once', {}, {}],
    ['a pool without it', 'off', {}, {}],
  ] as const) {
    test(`48, 49: not with ${what}`, async () => {
      plan = [{ most: 1_000, how: 'fin', ...first }];
      const path = `/${pool}/${what.replaceAll(/[^a-z]+/gi, '-')}`;
      const answer = await download(limpet.url + path, options);
      assert.equal(answer.status, 200);
      isCut(answer);
      const { attempts, error } = await line(path);
      assert.deepEqual({ attempts, error }, { attempts: 1, error: 'BACKEND_RESET' });
      assert.equal(seenBy('b').length, 0);
    });
  }

  test('50: the changed file of another backend is no rest of the first one', async () => {
    plan = [
      { most: 1_000, how: 'fin' },
      { etag: '"v2"', bytes: Buffer.alloc(SMALL.length, 'X') },
    ];
    isCut(await download(`${limpet.url}/pair/changed`));
    const { attempts, error } = await line('/pair/changed');
    assert.deepEqual({ attempts, error }, { attempts: 2, error: 'BACKEND_RESET' });
    await limpet.logged((entry) => entry.msg === 'broken response not resumed' && entry.problem === 'status 200');
  });

  test('a connection of a client goes on with its next request, also one that had come before', async () => {
    plan = [{ most: 1_000, how: 'fin' }, {}, { most: 2_000, how: 'fin' }];
    const client = await open();
    const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    client.send(get('/pair/1') + get('/pair/2') + get('/pair/3'));
    const parts = (text: string): string[] => text.split('HTTP/1.1 200 OK\r\n').slice(1);
    const bodies = (text: string): string[] => parts(text).map((part) => part.slice(part.indexOf('\r\n\r\n') + 4));
    const last = (text: string): boolean => bodies(text).length === 3 && bodies(text)[2]!.length === SMALL.length;
    const expected = SMALL.toString('latin1');
    for (const body of bodies(await client.until(last, 30_000))) assert.equal(body === expected, true);
    assert.equal(asked, 5);
  });

  test('HTTP/1.0: resumed, and reset when it cannot be', async () => {
    plan = [{ most: 1_000, how: 'fin' }];
    const first = await open();
    first.send('GET /pair/old HTTP/1.0\r\nHost: x\r\n\r\n');
    const text = await first.end(30_000);
    assert.ok(text.slice(text.indexOf('\r\n\r\n') + 4) === SMALL.toString('latin1'));
    asked = 0;
    plan = [{ most: 1_000, how: 'fin' }, { etag: '"v2"' }];
    const second = await open();
    second.send('GET /pair/old HTTP/1.0\r\nHost: x\r\n\r\n');
    await eventually('the end', () => second.closed, 30_000);
    assert.equal(second.error?.code, 'ECONNRESET');
  });

  test('62: a client that reads slowly', async () => {
    file = LARGE.subarray(0, 24 * MIB);
    plan = [
      { most: 9 * MIB, how: 'fin' },
      { most: 7 * MIB, how: 'reset' },
    ];
    const client = await open();
    const chunks: Buffer[] = [];
    let pauses = 0;
    client.socket.removeAllListeners('data');
    client.socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      client.socket.pause();
      setTimeout(() => client.socket.resume(), ++pauses % 16 === 0 ? 20 : 0);
    });
    client.send('GET /all/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await client.end(60_000);
    const got = Buffer.concat(chunks);
    assert.ok(got.subarray(got.indexOf('\r\n\r\n') + 4).equals(file));
    assert.equal((await line('/all/slow')).attempts, 3);
  });

  test('35: a client that has left is asked for nothing', async () => {
    plan = [{ most: 1_000, how: 'stall' }];
    const early = await open();
    early.send('GET /pair/left-before HTTP/1.1\r\nHost: x\r\n\r\n');
    await early.until((text) => text.length > 1_000, 30_000);
    early.socket.resetAndDestroy();
    assert.equal((await line('/pair/left-before')).error, 'CLIENT_GONE');
    assert.equal(seenBy('b').length, 0);

    // While the rest is waited for.
    const [a, b] = fleet as [HttpBackend, HttpBackend];
    const { answer } = b;
    let gone = false;
    b.answer = (request) => void request.socket.on('close', () => (gone = true));
    try {
      asked = 0;
      plan = [{ most: 1_000, how: 'fin' }];
      const late = await open();
      late.send('GET /pair/left-after HTTP/1.1\r\nHost: x\r\n\r\n');
      await eventually('the request for the rest', () => b.seen.length === 1, 30_000);
      late.socket.resetAndDestroy();
      const { error, attempts } = await line('/pair/left-after');
      assert.deepEqual({ error, attempts }, { error: 'CLIENT_GONE', attempts: 2 });
      await eventually('the end of that connection', () => gone, 30_000);
      assert.equal(a.seen.length, 2);
    } finally {
      b.answer = answer;
    }
  });

  test('HTTP/2 on both sides', async () => {
    file = LARGE.subarray(0, 4 * MIB);
    const session = connect(limpet.url);
    session.on('error', () => {});
    try {
      for (const path of ['/all/2', '/h2/2']) {
        asked = 0;
        plan = [{ most: 100_000, how: 'fin' }, { most: MIB }];
        const stream = session.request({ ':path': path });
        const chunks = (await stream.toArray()) as Buffer[];
        assert.ok(Buffer.concat(chunks).equals(file), path);
        assert.equal(stream.rstCode, 0);
        assert.equal((await line(path)).attempts, 3);
      }
      // What cannot go on is reset, not ended.
      asked = 0;
      plan = [{ most: 100_000, how: 'fin' }, { etag: '"v2"' }];
      const stream = session.request({ ':path': '/pair/2' });
      await assert.rejects(stream.toArray());
      assert.notEqual(stream.rstCode, 0);
    } finally {
      session.destroy();
    }
    asked = 0;
    plan = [{ most: 100_000 }, { most: MIB }];
    isExactly(await download(`${limpet.url}/h2/1`), file);
  });

  test('3, 33: the session moves with its response, is told so once, and its cookie follows', async () => {
    const jar = new CookieJar();
    plan = [{ most: 1_000, how: 'fin' }, { headers: { 'Set-Cookie': 'app=too-late' } }];
    const first = await download(`${limpet.url}/session/1`);
    isExactly(first, SMALL);
    const from = String(first.headers['x-backend']);
    const to = from === 'c' ? 'b' : 'c';
    const resumed = seenBy(to)[0]!.headers;
    assert.equal(resumed['limpet-session-moved'], `from=${from}; reason=backend-down`);
    const row = async () => (await admin.sessions('session')).filter(({ requests }) => requests > 0);
    const [session, ...others] = await row();
    assert.equal(others.length, 0, 'no key is learned from what the client does not get');
    assert.deepEqual([session!.backend, session!.moves], [to, 1]);
    assert.equal(session!.key, resumed['limpet-session']);
    jar.take({ ...first, body: '', backend: from, code: '', cookie: '' });

    const cookies: (string | undefined)[] = [jar.get('limpet')];
    for (const nth of [2, 3]) {
      const answer = jar.take(await ask(`${limpet.url}/session/${nth}`, { headers: jar.headers }));
      assert.equal(answer.backend, to);
      const { headers } = seenBy(to).at(-1)!;
      assert.equal(headers['limpet-session'], session!.key);
      assert.equal(headers['limpet-session-moved'], undefined);
      // The second response brings it, the third has nothing to say.
      assert.equal(answer.headers['set-cookie']?.length ?? 0, nth === 2 ? 1 : 0);
      cookies.push(jar.get('limpet'));
    }
    assert.notEqual(cookies[1], cookies[0]);
    assert.equal((await line('/session/1')).affinity, 'new');
    await counted(`limpet_failovers_total{pool="session",from="${from}",to="${to}",reason="backend-down"}`, 1);

    // Once more, as a session that was there before.
    asked = 0;
    plan = [{ most: 1_000, how: 'fin' }];
    isExactly(await download(`${limpet.url}/session/4`, { headers: jar.headers }), SMALL);
    assert.equal((await line('/session/4')).affinity, 'moved');
    const answer = jar.take(await ask(`${limpet.url}/session/5`, { headers: jar.headers }));
    assert.notEqual(answer.backend, to);
    assert.equal(answer.headers['set-cookie']?.length, 1);
    assert.equal((await row())[0]!.moves, 2);
  });

  test('3: a session stays where it is when its response cannot be resumed', async () => {
    plan = [{ most: 1_000, how: 'fin' }, { etag: '"v2"' }];
    const first = await download(`${limpet.url}/session/cut`);
    isCut(first);
    const jar = new CookieJar();
    jar.take({ ...first, body: '', backend: '', code: '', cookie: '' });
    const answer = await ask(`${limpet.url}/session/after`, { headers: jar.headers });
    assert.equal(answer.backend, first.headers['x-backend']);
    assert.equal(answer.headers['set-cookie'], undefined);
  });

  test('48-50: SIGKILL of a backend under 20 downloads: all come whole', async () => {
    const expected = patternFile();
    let under = 0;
    const downloads = Array.from({ length: 20 }, (_, n) => {
      let seen = false;
      return download(`${limpet.url}/killed/${n}?stop=${1 + n * 200_000}`, {}, () => {
        if (!seen) under++;
        seen = true;
      });
    });
    await eventually('all under way', () => under === 20, 30_000);
    await apps[0]!.kill();
    for (const answer of await Promise.all(downloads)) isExactly(answer, expected);
    await counted('limpet_resumed_total{pool="killed"}', 20);
  });
});
