import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { after, before, test } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../../support/limpet.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { WebSocketBackend } from '../../support/websocket-backend.ts';

const chat = new WebSocketBackend('chat', (socket) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
});
let raw: RawBackend;
let limpet: LimpetProcess;
let client: ClientHttp2Session;

before(async () => {
  await chat.start();
  raw = await RawBackend.start(() => {});
  limpet = await startLimpetProcess(`
listeners: [{ bind: "127.0.0.1:0", h2c: true }]
workers: 1
shutdown: { grace: 4s }
routes: [{ match: { path: /raw }, pool: raw }, { pool: chat }]
pools:
  chat: { backends: [{ id: c, url: "${chat.url}" }] }
  raw: { backends: [{ id: r, url: "${raw.url}" }], affinity: [] }
`);
  client = connect(limpet.url);
  client.on('error', () => {});
  await once(client, 'remoteSettings');
});

after(async () => {
  client?.destroy();
  await limpet?.stop();
  await chat.stop();
  await raw?.stop();
});

/** Asks for a WebSocket as a browser does (RFC 8441 4). */
function extendedConnect(path: string): ClientHttp2Stream {
  const stream = client.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'x.test',
    'sec-websocket-version': '13',
    origin: 'http://x.test',
  });
  stream.on('error', () => {});
  return stream;
}

async function answer(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders & { ':status'?: number }> {
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  return headers as IncomingHttpHeaders & { ':status'?: number };
}

/** A frame as a client sends it, masked with zeros. */
function masked(opcode: number, payload: Buffer): Buffer {
  const long = payload.length > 125;
  const head = Buffer.alloc(long ? 8 : 6);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (long ? 126 : payload.length);
  if (long) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

/** What a stream has received so far. */
function received(stream: ClientHttp2Stream): { bytes: Buffer } {
  const state = { bytes: Buffer.alloc(0) as Buffer };
  stream.on('data', (piece: Buffer) => {
    state.bytes = Buffer.concat([state.bytes, piece]);
  });
  return state;
}

test('RFC 8441: a WebSocket over HTTP/2 reaches a backend of HTTP/1.1', async () => {
  assert.equal(client.remoteSettings.enableConnectProtocol, true);
  const stream = extendedConnect('/chat');
  const got = received(stream);
  const head = await answer(stream);
  assert.equal(head[':status'], 200);
  assert.equal(head['x-backend'], 'chat');
  assert.equal(head['sec-websocket-accept'], undefined);
  assert.match(String(head['set-cookie']), /^limpet=/);
  stream.write(masked(1, Buffer.from('hello')));
  await eventually('the echo', () => got.bytes.length >= 7);
  assert.equal(got.bytes.toString('latin1'), '\x81\x05hello');
  stream.write(masked(2, Buffer.alloc(60_000, 7)));
  await eventually('the large echo', () => got.bytes.length >= 7 + 4 + 60_000);
  // Close frames pass in both directions with their code, then both sides end.
  const closed = once(chat.sockets.at(-1)!, 'close');
  stream.write(masked(8, Buffer.from([0x0f, 0xa1])));
  await once(stream, 'end');
  assert.deepEqual([...got.bytes.subarray(-4)], [0x88, 2, 0x0f, 0xa1]);
  const gone = once(stream, 'close');
  stream.end();
  assert.equal((await closed)[0], 4001);
  await gone;
  assert.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR);
});

test('two WebSockets and a request share one connection', async () => {
  const streams = [extendedConnect('/1'), extendedConnect('/2')];
  const got = streams.map(received);
  await Promise.all(streams.map(answer));
  streams.forEach((stream, i) => void stream.write(masked(1, Buffer.from(`n${i}`))));
  const plain = client.request({ ':path': '/' });
  assert.equal((await answer(plain))[':status'], 200);
  await eventually('both echoes', () => got.every(({ bytes }) => bytes.length === 4));
  assert.deepEqual(
    got.map(({ bytes }) => bytes.subarray(2).toString()),
    ['n0', 'n1'],
  );
  for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
});

test('a client that resets its stream ends the backend connection', async () => {
  const stream = extendedConnect('/chat');
  await answer(stream);
  const closed = once(chat.sockets.at(-1)!, 'close');
  stream.close(constants.NGHTTP2_CANCEL);
  await closed;
});

test('behaviour 60: a backend connection that is reset resets the stream', async () => {
  const stream = extendedConnect('/chat');
  await answer(stream);
  const socket = (chat.sockets.at(-1) as unknown as { _socket: { resetAndDestroy(): void } })._socket;
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.once('close', resolve);
  socket.resetAndDestroy();
  await promise;
  assert.notEqual(stream.rstCode, constants.NGHTTP2_NO_ERROR);
});

test('behaviour 59: a refusal is relayed whole', async () => {
  raw.answer = ({ socket }) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno');
  const stream = extendedConnect('/raw');
  const got = received(stream);
  assert.equal((await answer(stream))[':status'], 403);
  await once(stream, 'end');
  assert.equal(got.bytes.toString(), 'no');
});

for (const [says, head] of [
  ['200 in place of 101', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'],
  [
    'a wrong Sec-WebSocket-Accept',
    'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
  ],
  ['no Sec-WebSocket-Accept', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['another protocol', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'],
] as const) {
  test(`${says} does not look like an open WebSocket`, async () => {
    raw.answer = ({ socket }) => socket.write(head);
    const stream = extendedConnect('/raw');
    const closed = once(stream, 'close');
    assert.equal((await answer(stream))[':status'], 502);
    stream.resume();
    await closed;
  });
}

test('an extended CONNECT for anything else is 405', async () => {
  const stream = client.request({
    ':method': 'CONNECT',
    ':protocol': 'connect-udp',
    ':scheme': 'http',
    ':path': '/',
    ':authority': 'x.test',
  });
  stream.on('error', () => {});
  assert.equal((await answer(stream))[':status'], 405);
});

test('behaviour 46: at a graceful stop WebSockets over HTTP/2 get Close 1001', async () => {
  const stream = extendedConnect('/chat');
  const got = received(stream);
  await answer(stream);
  const closed = once(chat.sockets.at(-1)!, 'close');
  const exit = once(limpet.process, 'exit');
  limpet.process.kill('SIGTERM');
  // A Close frame, whatever reason it gives, with code 1001.
  await eventually('the Close frame', () => got.bytes[0] === 0x88 && got.bytes.readUInt16BE(2) === 1_001);
  stream.end(masked(8, Buffer.from([0x03, 0xe9])));
  assert.equal((await closed)[0], 1001);
  assert.deepEqual(await exit, [0, null]);
});
