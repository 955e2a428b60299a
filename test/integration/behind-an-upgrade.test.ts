/**
 * What comes behind a request for another protocol is of that protocol, or nothing: never a request (RFC 9110 7.8, RFC
 * 8441 5, RFC 9931). Every refusal, with bytes that spell a request sent in every way, over HTTP/1.1 and HTTP/2; the
 * backends record what reaches them.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { webSocketAccept } from '../../src/client/http2/websocket-handshake.ts';
import { Certificates } from '../support/certificates.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';
import { Flag, FrameClient, frame, literals, request, Type } from '../support/http2-frames.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { type BackendConnection, RawBackend } from '../support/raw-backend.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';
import { tcpQueues } from '../support/tcp-queues.ts';
import { tlsVisit } from '../support/tls-client.ts';

const EVIL = 'POST /evil HTTP/1.1\r\nHost: x.test\r\nContent-Length: 5\r\n\r\na=100';

interface Refusal {
  readonly says: string;
  readonly path: string;
  readonly host?: string;
  readonly fields?: readonly (readonly [string, string])[];
  readonly status: number;
  /** Value of Limpet-Error; absent: the answer is the backend's. */
  readonly error?: string;
}

const REFUSALS: readonly Refusal[] = [
  { says: 'the backend, 426', path: '/426', status: 426 },
  { says: 'the backend, 403 in chunks', path: '/403', status: 403 },
  { says: 'the backend, 404 in two pieces', path: '/404', status: 404 },
  { says: 'the backend, behind a 103', path: '/103', status: 400 },
  { says: 'a backend that closes', path: '/closes', status: 502, error: 'BACKEND_RESET' },
  { says: 'a backend that answers garbage', path: '/garbage', status: 502, error: 'BACKEND_PROTOCOL' },
  { says: 'a backend that says nothing', path: '/silent', status: 504, error: 'BACKEND_TIMEOUT' },
  { says: 'a backend that is dead', path: '/dead', status: 502, error: 'BACKEND_CONNECT' },
  { says: 'limpet, nobody there', path: '/off', status: 503, error: 'NO_BACKEND' },
  { says: 'limpet, no place in time', path: '/full', status: 503, error: 'QUEUE_TIMEOUT' },
  {
    says: 'limpet, cross site',
    path: '/guarded',
    fields: [['origin', 'http://elsewhere.test']],
    status: 403,
    error: 'CROSS_SITE',
  },
  { says: 'limpet, no route', path: '/', host: 'nobody.test', status: 404, error: 'NO_ROUTE' },
  { says: 'limpet, only reads', path: '/simplex', status: 405, error: 'METHOD_NOT_ALLOWED' },
  { says: 'limpet, expectation', path: '/426', fields: [['expect', 'x']], status: 417, error: 'EXPECTATION_FAILED' },
];

/** How the bytes come. Where they come before or around the answer, a backend waits for them. */
const WAYS = [
  'in the same packet',
  'behind a body',
  'in pieces, around the answer',
  'before the answer',
  'behind the answer',
] as const;
type Way = (typeof WAYS)[number];

let backend: RawBackend;
let dead: DeadPort;
let limpet: LimpetProcess;
/** Answers that are held back until they are let go. */
let held: (() => void)[] | null = null;

const ANSWERS: Readonly<Record<string, string>> = {
  '/426': 'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno',
  '/403': 'HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
  '/103': 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno',
  '/garbage': 'HTTP/1.1 2000 OK\r\n\r\n',
  '/probe': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
};

function answer({ text, socket }: BackendConnection): void {
  const head = text.slice(text.lastIndexOf('\n', text.lastIndexOf(' HTTP/1.1\r\n')) + 1);
  if (!(/^content-length: 5\r$/im.test(head) ? /\r\n\r\nhello$/ : /\r\n\r\n$/).test(head)) return;
  // A body of "hello" stands in front of the next request on the same connection.
  const path = head.split(' ', 2)[1]!;
  const send = (): void => {
    if (path === '/closes') socket.destroy();
    else if (path === '/404') {
      socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nn');
      setImmediate(() => socket.write('o'));
    } else if (path === '/switch') {
      const key = /^sec-websocket-key: (.*)\r$/im.exec(text)![1]!;
      socket.write(
        `HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${webSocketAccept(key)}\r\n\r\n`,
      );
    } else if (ANSWERS[path] !== undefined) socket.write(ANSWERS[path]);
  };
  if (held !== null && path !== '/probe') held.push(send);
  else send();
}

before(async () => {
  backend = await RawBackend.start(answer);
  dead = await DeadPort.open();
  const members = (more = ''): string => `backends: [{ id: a, url: "${backend.url}"${more} }], affinity: []`;
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true }]
workers: 1
log: { access: false }
routes:
  - { match: { path: /dead, host: x.test }, pool: dead }
  - { match: { path: /off, host: x.test }, pool: off }
  - { match: { path: /full, host: x.test }, pool: full }
  - { match: { path: /guarded, host: x.test }, pool: app, csrf: reject-cross-site }
  - { match: { path: /silent, host: x.test }, pool: silent }
  - { match: { path: /simplex, host: x.test }, pool: simplex }
  - { match: { host: x.test }, pool: app }
pools:
  app: { ${members()}, retry: { attempts: 0 }, health: { passive: null } }
  dead: { backends: [{ id: a, url: "${dead.url}" }], affinity: [], health: { passive: null } }
  off: { ${members(', state: maintenance')} }
  full: { ${members(', maxRequests: 1')}, timeouts: { queue: 100ms } }
  silent: { ${members()}, timeouts: { response: 300ms }, retry: { attempts: 0 }, health: { passive: null } }
  simplex: { ${members()}, session: { dialog: simplex } }
`);
});

after(async () => {
  await limpet?.stop();
  await backend?.stop();
  await dead?.close();
});

beforeEach(() => {
  held = null;
  for (const connection of backend.connections) connection.text = '';
});

/** Takes the only place of the pool `full`. */
async function takePlace(): Promise<RawClient> {
  const client = await RawClient.open(limpet.port);
  client.send('GET /full HTTP/1.1\r\nHost: x.test\r\n\r\n');
  await eventually('the place to be taken', () => backend.text.includes('/full'));
  return client;
}

/** Everything that was sent has been dealt with, and only the probe and what is allowed has reached a backend. */
async function assertNothingCame(allowed: RegExp): Promise<void> {
  const client = await RawClient.open(limpet.port);
  client.send('GET /probe HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n');
  assert.match(await client.end(), /^HTTP\/1\.1 200 /);
  client.close();
  const lines = [...backend.text.matchAll(/^\S+ (\S+) HTTP\/1\.1\r$/gm)].map(([, path]) => path!);
  for (const path of lines) assert.match(path, allowed);
  assert.doesNotMatch(backend.text, /evil|a=100/);
}

/** The backend has the request; not of one that limpet answers by itself. */
async function asked({ error }: Refusal): Promise<void> {
  if (error === undefined || /RESET|PROTOCOL|TIMEOUT$/.test(error))
    if (error !== 'QUEUE_TIMEOUT') await eventually('the backend to be asked', () => held!.length > 0);
}

function letGo(): void {
  for (const send of held!) send();
  held = null;
}

async function overHttp1(refusal: Refusal, way: Way): Promise<void> {
  const { path, host = 'x.test', fields = [], status, error } = refusal;
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const body = way === 'behind a body' ? 'Content-Length: 5\r\n\r\nhello' : '\r\n';
  const head = `${way === 'behind a body' ? 'POST' : 'GET'} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${lines}${body}`;
  const client = await RawClient.open(limpet.port);
  const { localPort } = client.socket;
  const read = async (): Promise<void> => {
    await eventually('limpet to have read', () => tcpQueues(limpet.port, localPort!).unread === 0);
    // What has come here is read before more is written: that may fail by now.
    await new Promise(setImmediate);
  };
  if (/ the answer$/.test(way) && way !== 'behind the answer') held = [];
  client.send(way === 'in the same packet' || way === 'behind a body' ? head + EVIL : head);
  if (way === 'before the answer') {
    await asked(refusal);
    client.send(EVIL);
    await read();
    letGo();
  } else if (way === 'in pieces, around the answer') {
    await asked(refusal);
    for (const byte of EVIL.slice(0, 3)) {
      client.send(byte);
      await read();
    }
    letGo();
    for (const byte of EVIL.slice(3)) client.send(byte);
  } else if (way === 'behind the answer') {
    // HTTP/1.1 goes on as HTTP (RFC 9110 7.8): what comes now is framed as a request and answered as one.
    const text = await client.until((all) => isWhole(all.replace(/^HTTP\/1\.1 103 [\s\S]*?\r\n\r\n/, '')));
    if (error !== undefined) {
      assert.match(text, /^connection: close\r$/im, 'an answer of our own ends the connection');
      client.send(EVIL);
      await client.end();
    } else {
      client.text = '';
      client.send('GET /probe HTTP/1.1\r\nHost: x.test\r\n\r\n');
      assert.match(await client.until((all) => all.endsWith('ok')), /^HTTP\/1\.1 200 /);
    }
    client.close();
    return;
  }
  const text = await client.end();
  client.close();
  assert.deepEqual(
    [...text.matchAll(/HTTP\/1\.1 ([2-5]\d\d) /g)].map(([, code]) => Number(code)),
    [status],
    text,
  );
  assert.equal(/^limpet-error: (\w+)\r$/im.exec(text)?.[1], error, text);
  assert.match(text, /^connection: close\r$/im, 'the client is told');
}

async function overHttp2(refusal: Refusal, way: Way): Promise<void> {
  const { path, host = 'x.test', fields = [] } = refusal;
  const client = await FrameClient.open(limpet.port);
  const head = literals([
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', host],
    ['sec-websocket-version', '777'],
    ...(way === 'behind a body' ? ([['content-length', '5']] as const) : []),
    ...fields,
  ]);
  const headers = frame(Type.headers, Flag.endHeaders, 1, head);
  const data = (bytes: string): Buffer => frame(Type.data, 0, 1, bytes);
  if (/ the answer$/.test(way) && way !== 'behind the answer') held = [];
  if (way === 'in the same packet') client.send(headers, data(EVIL));
  else if (way === 'behind a body') client.send(headers, data('hello'), data(EVIL));
  else client.send(headers);
  if (way === 'before the answer') {
    await asked(refusal);
    client.send(data(EVIL));
    assert.ok(await client.alive());
    letGo();
  } else if (way === 'in pieces, around the answer') {
    await asked(refusal);
    for (const byte of EVIL.slice(0, 9)) client.send(data(byte));
    assert.ok(await client.alive());
    letGo();
    for (const byte of EVIL.slice(9)) client.send(data(byte));
  }
  // The answer, then the end of the stream. A Content-Length, which CONNECT has none of, may be an error of either.
  const end = await client.ended(1);
  if (way === 'behind a body' && end === null) return;
  assert.notEqual(end, null);
  if (way !== 'behind a body')
    assert.ok(client.frames.some(({ type, stream }) => type === Type.headers && stream === 1));
  if (way === 'behind the answer') client.send(data(EVIL));
  // The next request on the connection is as any other. That an ended stream goes on may be an error of the connection
  // (RFC 9113 5.1).
  if (await client.alive()) {
    client.request(3, request('/probe'));
    assert.equal((await client.ended(3))?.type, Type.data);
  } else assert.equal(way, 'behind the answer');
  client.close();
}

for (const [version, run] of [
  ['HTTP/1.1', overHttp1],
  ['HTTP/2', overHttp2],
] as const) {
  for (const way of WAYS) {
    test(`P1, 59: ${version}, refused, with bytes ${way}: nothing of them is a request`, async (t) => {
      for (const refusal of REFUSALS) {
        await t.test(refusal.says, async () => {
          for (const connection of backend.connections) connection.text = '';
          const place = refusal.path === '/full' ? await takePlace() : null;
          try {
            await run(refusal, way);
            await assertNothingCame(new RegExp(`^(?:${refusal.path}|/probe)$`));
          } finally {
            place?.socket.resetAndDestroy();
          }
        });
      }
    });
  }
}

test('P1, 59: HTTP/2, bytes that came before the 101 are the first of the tunnel, and END_STREAM ends its one side', async () => {
  held = [];
  const client = await FrameClient.open(limpet.port);
  const head = literals([
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'http'],
    [':path', '/switch'],
    [':authority', 'x.test'],
    ['sec-websocket-version', '13'],
  ]);
  // A masked frame that says "early", then Close, and the end of this side.
  const bytes = Buffer.concat([
    Buffer.from([0x81, 0x85, 0, 0, 0, 0]),
    Buffer.from('early'),
    Buffer.from([0x88, 0x80, 0, 0, 0, 0]),
  ]);
  client.send(frame(Type.headers, Flag.endHeaders, 1, head), frame(Type.data, Flag.endStream, 1, bytes));
  await eventually('the backend to be asked', () => held!.length > 0);
  assert.ok(await client.alive());
  const connection = backend.connections.find(({ text }) => text.includes('/switch'))!;
  assert.ok(connection.text.endsWith('\r\n\r\n'), 'nothing of it before the 101');
  letGo();
  await eventually('the tunnel', () => connection.text.endsWith(bytes.toString('latin1')));
  await client.ended(1);
  client.close();
});

test('P1: HTTP/1.1, bytes that lie in the socket when the refusal is read have come before it', async () => {
  for (const path of ['/426', '/switch']) {
    held = [];
    const client = await RawClient.open(limpet.port);
    client.send(
      `GET ${path} HTTP/1.1\r\nHost: x.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
    );
    await eventually('the backend to be asked', () => held!.length > 0);
    limpet.process.kill('SIGSTOP');
    await eventually('limpet to stand still', () =>
      /^State:\s+T/m.test(readFileSync(`/proc/${limpet.process.pid}/status`, 'utf8')),
    );
    client.send(EVIL);
    await eventually(
      'the bytes to be there',
      () => tcpQueues(limpet.port, client.socket.localPort!).unread >= EVIL.length,
    );
    letGo();
    const connection = backend.connections.find(({ text }) => text.includes(path))!;
    await eventually('the answer to be there', () => connection.socket.writableLength === 0);
    limpet.process.kill('SIGCONT');
    if (path === '/switch') {
      await eventually('the tunnel', () => connection.text.endsWith(EVIL));
      client.close();
      connection.socket.destroy();
      connection.text = '';
      continue;
    }
    const text = await client.end();
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 426']);
    assert.match(text, /^connection: close\r$/im);
    client.close();
    await assertNothingCame(/^\/(?:426|probe)$/);
    connection.text = '';
  }
});

test('P1: CONNECT is refused and what follows is nobody’s, over HTTP/1.1 and HTTP/2', async () => {
  for (const together of [true, false]) {
    const client = await RawClient.open(limpet.port);
    const head = 'CONNECT x.test:443 HTTP/1.1\r\nHost: x.test:443\r\n\r\n';
    client.send(together ? head + EVIL : head);
    if (!together) {
      await client.until(isWhole);
      client.send(EVIL);
    }
    const text = await client.end();
    assert.match(text, /^HTTP\/1\.1 405 /);
    assert.match(text, /^connection: close\r$/im);
    assert.equal(text.match(/HTTP\/1\.1/g)?.length, 1);
    client.close();
    const frames = await FrameClient.open(limpet.port);
    const fields = literals([
      [':method', 'CONNECT'],
      [':authority', 'x.test:443'],
    ]);
    frames.send(frame(Type.headers, Flag.endHeaders, 1, fields));
    if (!together) await frames.alive();
    frames.send(frame(Type.data, 0, 1, EVIL));
    assert.notEqual(await frames.ended(1), null);
    frames.close();
  }
  await assertNothingCame(/^\/probe$/);
});

test('P1: a request that offers h2c, which limpet takes for none, is followed by requests', async () => {
  const client = await RawClient.open(limpet.port);
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
  const probe = 'GET /probe HTTP/1.1\r\nHost: x.test\r\n';
  client.send(`${probe}${offer}\r\n${probe}Connection: close\r\n\r\n`);
  const text = await client.end();
  assert.equal(text.match(/HTTP\/1\.1 200 /g)?.length, 2);
  client.close();
});

test('P1: a client whose socket cannot be looked into, behind TLS, is cut off behind a refusal', async (context) => {
  const certificates = new Certificates();
  context.after(() => certificates.remove());
  const { cert, key } = certificates.make('own', { names: ['x.test'] });
  const pools = `pools: { app: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`;
  const ask = 'GET /426 HTTP/1.1\r\nHost: x.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  const secure = await startLimpetProcess(
    `workers: 1\nlisteners: [{ bind: "127.0.0.1:0", tls: { certificates: [{ cert: ${cert}, key: ${key} }] } }]\n${pools}`,
  );
  context.after(() => secure.stop());
  const { text } = await tlsVisit(secure.port, { request: ask });
  assert.match(text, /^HTTP\/1\.1 426 /);
  assert.match(text, /^connection: close\r$/im);
  await assertNothingCame(/^\/(426|probe)$/);
});

test('P1: without system calls a socket is looked into through its handle: the connection goes on behind a refusal', async (context) => {
  const pools = `pools: { app: { backends: [{ id: a, url: "${backend.url}" }], affinity: [] } }`;
  const plain = await startLimpetProcess(`workers: 1\n${pools}`, { env: { NODE_OPTIONS: '--no-experimental-ffi' } });
  context.after(() => plain.stop());
  const client = await RawClient.open(plain.port);
  client.send('GET /426 HTTP/1.1\r\nHost: x.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  const refused = await client.until((text) => text.includes('\r\n\r\n'));
  assert.match(refused, /^HTTP\/1\.1 426 /);
  assert.doesNotMatch(refused, /connection: close/i);
  client.send('GET /probe HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n');
  assert.match(await client.end(), /\r\n\r\nok$/);
  client.close();
  await assertNothingCame(/^\/(426|probe)$/);
});
