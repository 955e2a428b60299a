import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawBackend } from '../support/raw-backend.ts';
import { RawClient } from '../support/raw-client.ts';
import { WebSocketBackend } from '../support/websocket-backend.ts';
import { sendInTurn, WebSocketStream } from '../support/websocket-stream.ts';
import { frameBytes, Opcode } from '../websocket/frame-text.ts';

const WEBSOCKETS = 200;
const GRACE_MS = 20_000;
/** Close 1001 as it comes to a client. */
const GOING_AWAY = '\x88\x0c\x03\xe9going away';

function yaml(grace: string, ...urls: string[]): string {
  const backends = urls.map((url, i) => `{ id: b${i}, url: "${url}" }`).join(', ');
  return `workers: 2\nshutdown: { grace: ${grace} }\nlog: { access: false }\npools: { p: { backends: [${backends}] } }\n`;
}

test(`46: SIGTERM with ${WEBSOCKETS} busy WebSockets: every peer gets Close 1001, spread over time, and no message breaks`, async (t) => {
  const servers: WebSocketStream[] = [];
  const onOpen = (socket: WebSocket, request: IncomingMessage): void => {
    servers.push(new WebSocketStream(socket, -Number(request.url!.slice(1))));
  };
  const backends = await Promise.all(['a', 'b'].map((id) => new WebSocketBackend(id, onOpen).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const limpet = await startLimpetProcess(yaml(`${GRACE_MS}ms`, ...backends.map(({ url }) => url)));
  t.after(limpet.stop);
  const clients = Array.from({ length: WEBSOCKETS }, (_, i) => {
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}/${i + 1}`, { perMessageDeflate: i % 4 === 0 });
    return new WebSocketStream(socket, i + 1);
  });
  t.after(() => {
    for (const { socket } of clients) socket.terminate();
  });
  await eventually('all to be open', () => servers.length === WEBSOCKETS, 30_000);
  const all = [...clients, ...servers];
  t.after(sendInTurn(all, 1_500));
  await eventually('messages both ways', () => all.every(({ received }) => received >= 3), 30_000);

  const exited = once(limpet.process, 'exit');
  const started = performance.now();
  limpet.process.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
  const took = performance.now() - started;
  t.diagnostic(`ended after ${Math.round(took)} ms`);
  assert.ok(took < GRACE_MS, 'it ended before the grace was over');
  await eventually('all to be closed', () => all.every(({ code }) => code !== 0), 30_000);
  for (const stream of all) {
    assert.equal(stream.problem, '');
    assert.equal(stream.code, 1001);
    assert.equal(stream.reason, 'going away');
  }
  const times = clients.map(({ closedAt }) => closedAt).sort((a, b) => a - b);
  const middle = times[Math.floor(WEBSOCKETS * 0.9)]! - times[Math.floor(WEBSOCKETS * 0.1)]!;
  // Of moments drawn from 80 % of the grace, 80 % lie within 64 % of it.
  assert.ok(middle > GRACE_MS / 4, `80 % of them closed within ${middle} ms`);
  assert.equal(limpet.stderr(), '');
  assert.ok(!limpet.log.some(({ level }) => level === 'error'), JSON.stringify(limpet.log));
});

describe('stop, frame by frame', { concurrency: true }, () => {
  const switched = (protocol: string): string =>
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;
  const afterHead = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);

  /** A limpet in front of a backend that switches to what is asked for, and then says nothing by itself. */
  const start = async (t: TestContext, grace: string): Promise<{ limpet: LimpetProcess; backend: RawBackend }> => {
    const backend = await RawBackend.start(({ socket, text }) => {
      if (text.endsWith('\r\n\r\n')) socket.write(switched(/^upgrade: (.*)$/im.exec(text)![1]!.trim()));
    });
    t.after(() => backend.stop());
    const limpet = await startLimpetProcess(yaml(grace, backend.url));
    t.after(limpet.stop);
    return { limpet, backend };
  };
  const open = async (t: TestContext, limpet: LimpetProcess, protocol = 'websocket'): Promise<RawClient> => {
    const client = await RawClient.open(limpet.port);
    t.after(() => client.close());
    client.send(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`);
    await client.until((text) => text.endsWith('\r\n\r\n'));
    return client;
  };
  /** Whether the backend has been sent a masked Close frame of the length of ours, as the last thing. */
  const told = (text: string): boolean => afterHead(text).slice(-18).startsWith('\x88\x8c');

  test('46: in the middle of a large message Close comes behind it, in the other direction at once', async (t) => {
    const { limpet, backend } = await start(t, '15s');
    const client = await open(t, limpet);
    const payload = Buffer.alloc(300_000, 'x');
    const frame = frameBytes({ opcode: Opcode.binary, fin: true, payload }, false);
    const { socket } = backend.connections[0]!;
    socket.write(frame.subarray(0, 200_000));
    await client.until((text) => afterHead(text).length === 200_000);
    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGTERM');
    await eventually('Close for the backend', () => told(backend.text), 20_000);
    assert.equal(afterHead(client.text).length, 200_000, 'the message is waited for');
    // The rest, and the answer to Close: that one is for limpet alone.
    socket.write(Buffer.concat([frame.subarray(200_000), Buffer.from('\x88\x02\x03\xe9', 'latin1')]));
    await client.until((text) => text.endsWith(GOING_AWAY), 20_000);
    assert.equal(afterHead(client.text), frame.latin1Slice() + GOING_AWAY);
    assert.equal(client.ended, false);
    client.send(frameBytes({ opcode: Opcode.close, fin: true, payload: Buffer.from('\x03\xe9', 'latin1') }, true));
    await client.end(20_000);
    client.close();
    assert.deepEqual(await exited, [0, null]);
    assert.ok(told(backend.text), 'nothing goes to the backend behind Close');
  });

  test('46: a client that never answers is cut at the deadline; other upgrades go on until then', async (t) => {
    const { limpet, backend } = await start(t, '12s');
    const mute = await open(t, limpet);
    const other = await open(t, limpet, 'other');
    const exited = once(limpet.process, 'exit');
    const started = performance.now();
    limpet.process.kill('SIGTERM');
    await mute.until((text) => text.endsWith(GOING_AWAY), 20_000);
    await eventually('Close for the backend', () => told(backend.connections[0]!.text), 20_000);
    // The backend is done with it: the client still has the time to answer.
    backend.connections[0]!.socket.end(Buffer.from('\x88\x02\x03\xe9', 'latin1'));
    await once(backend.connections[0]!.socket, 'close');
    other.send('still there');
    await eventually('bytes of the other', () => backend.text.endsWith('still there'), 20_000);
    assert.equal(mute.ended, false, 'its own Close is waited for');
    await mute.end(20_000);
    assert.ok(mute.text.endsWith(GOING_AWAY), 'nothing comes behind it');
    assert.ok(performance.now() - started > 11_900);
    await other.end(20_000);
    assert.equal(afterHead(other.text), '', 'no frame goes into what is no WebSocket');
    assert.deepEqual(await exited, [0, null]);
  });

  test('46: a WebSocket that opened just before the stop, on the way through the handshake, is told too', async (t) => {
    const { limpet, backend } = await start(t, '15s');
    backend.answer = () => {};
    const client = await RawClient.open(limpet.port);
    t.after(() => client.close());
    client.send('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await eventually('the handshake', () => backend.text.endsWith('\r\n\r\n'));
    const exited = once(limpet.process, 'exit');
    limpet.process.kill('SIGTERM');
    await limpet.logged((line) => line.msg === 'limpet stops');
    // Bytes that come with the answer are part of the first message.
    backend.connections[0]!.socket.write(Buffer.from(`${switched('WebSocket')}\x81\x05hel`, 'latin1'));
    await eventually('Close for the backend', () => told(backend.text), 20_000);
    backend.connections[0]!.socket.write('lo');
    const text = await client.until((all) => all.endsWith(GOING_AWAY), 20_000);
    assert.equal(afterHead(text), `\x81\x05hello${GOING_AWAY}`);
    client.close();
    assert.deepEqual(await exited, [0, null]);
  });
});
