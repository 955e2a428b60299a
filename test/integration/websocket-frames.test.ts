import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { WebSocketBackend } from '../support/websocket-backend.ts';

/**
 * Around each border between the three ways to write a length (RFC 6455 section 5.2), and one that no buffer holds at
 * once.
 */
const SIZES = [0, 1, 2, 124, 125, 126, 127, 65_534, 65_535, 65_536, 1_048_576];
const CODES = [1000, 1001, 1008, 1011, 3000, 4999];

/** Every byte of a connection that went out and came in once it was a WebSocket. */
class Tap {
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];

  constructor(socket: Socket) {
    const write = socket.write.bind(socket) as (bytes: string | Buffer, ...rest: unknown[]) => boolean;
    socket.write = (bytes: string | Uint8Array, ...rest: unknown[]) => {
      this.sent.push(Buffer.from(bytes as Buffer));
      return write(bytes as Buffer, ...rest);
    };
    // Before `ws` sees them: it takes the masks off in place.
    socket.prependListener('data', (bytes: Buffer) => this.received.push(Buffer.from(bytes)));
  }
}

/** One end of a WebSocket. */
interface End {
  readonly socket: WebSocket;
  readonly tap: Tap;
  /** Messages and control frames as they came. */
  readonly got: { kind: string; bytes: Buffer }[];
  /** Code and reason once it is closed. */
  readonly closed: Promise<[number, string]>;
}

function watch(socket: WebSocket, tap: Tap): End {
  const got: End['got'] = [];
  socket.on('message', (data, binary) => got.push({ kind: binary ? 'binary' : 'text', bytes: data as Buffer }));
  socket.on('ping', (bytes) => got.push({ kind: 'ping', bytes }));
  socket.on('pong', (bytes) => got.push({ kind: 'pong', bytes }));
  const closed = once(socket, 'close').then(([code, reason]) => [code, String(reason)] as [number, string]);
  return { socket, tap, got, closed };
}

function assertSame(from: Tap, to: Tap): void {
  const [sent, received] = [Buffer.concat(from.sent), Buffer.concat(to.received)];
  assert.equal(received.length, sent.length);
  assert.ok(received.equals(sent), 'not the bytes that were sent');
}

/** Bytes that compress a little, or such a text with characters of more than one byte. */
function payload(size: number, kind: 'text' | 'binary'): Buffer {
  if (kind === 'text') return Buffer.from(`${'x'.repeat(size % 2)}${'é'.repeat(size >> 1)}`);
  return Buffer.concat([randomBytes(size >> 1), Buffer.alloc(size - (size >> 1), 'limpet')]);
}

describe('WebSocket frames', { concurrency: true }, () => {
  const servers = new Map<string, End>();
  let backend: WebSocketBackend;
  let limpet: LimpetProcess;

  before(async () => {
    backend = await new WebSocketBackend('a', (socket, request: IncomingMessage) => {
      servers.set(request.url!, watch(socket, new Tap(request.socket)));
    }).start();
    limpet = await startLimpetProcess(`workers: 2\npools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`);
  });
  after(async () => {
    await limpet?.stop();
    await backend?.stop();
  });

  const open = async (path: string, deflate = false): Promise<{ client: End; server: End }> => {
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}${path}`, {
      perMessageDeflate: deflate && { threshold: 0 },
    });
    let tap: Tap | null = null;
    socket.once('upgrade', (response) => {
      tap = new Tap(response.socket as Socket);
    });
    await once(socket, 'open');
    assert.equal(socket.extensions, deflate ? 'permessage-deflate' : '');
    return { client: watch(socket, tap!), server: servers.get(path)! };
  };

  for (const deflate of [false, true]) {
    for (const side of ['client', 'server'] as const) {
      const how = deflate ? 'with permessage-deflate' : 'without compression';
      test(`frames of the ${side} of every size, whole and in fragments with pings between, pass unchanged ${how} (59)`, async () => {
        const ends = await open(`/${side}-${deflate}`, deflate);
        const from = ends[side];
        const to = side === 'client' ? ends.server : ends.client;
        const expected: End['got'] = [];
        for (const kind of ['text', 'binary'] as const) {
          for (const size of SIZES) {
            const bytes = payload(size, kind);
            const binary = kind === 'binary';
            from.socket.send(bytes, { binary, compress: deflate });
            // The same in fragments, also empty ones. Of a text, between characters or not.
            const cuts = [0, size >> 2, size >> 1, size];
            for (const [i, cut] of cuts.entries()) {
              const ping = randomBytes([0, 1, 125][i % 3]!);
              from.socket.send(bytes.subarray(cuts[i - 1] ?? 0, cut), { binary, compress: deflate, fin: i === 3 });
              if (i === 3) break;
              from.socket.ping(ping);
              expected.push({ kind: 'ping', bytes: ping });
            }
            expected.push({ kind, bytes });
          }
        }
        await eventually('all messages', () => to.got.length === expected.length + SIZES.length * 2, 30_000);
        const messages = to.got.filter(({ kind }) => kind !== 'ping');
        const sent = expected.filter(({ kind }) => kind !== 'ping').flatMap((one) => [one, one]);
        for (const [i, { kind, bytes }] of sent.entries()) {
          assert.equal(messages[i]!.kind, kind);
          assert.ok(messages[i]!.bytes.equals(bytes), `${kind} of ${bytes.length} bytes`);
        }
        const pings = expected.filter(({ kind }) => kind === 'ping');
        await eventually('all pongs', () => from.got.length === pings.length, 30_000);
        for (const [i, { bytes }] of pings.entries()) assert.ok(from.got[i]!.bytes.equals(bytes), `pong ${i}`);
        from.socket.close(1000);
        assert.deepEqual(await to.closed, [1000, '']);
        await from.closed;
        // Down to the masks and the places where messages were cut.
        assertSame(ends.client.tap, ends.server.tap);
        assertSame(ends.server.tap, ends.client.tap);
      });
    }
  }

  for (const side of ['client', 'server'] as const) {
    test(`close codes of the ${side} pass unchanged, with a reason, without one, and without a code`, async () => {
      const longest = 'ü'.repeat(61);
      const closes = [...CODES.flatMap((code) => ['', 'because', longest].map((reason) => ({ code, reason }))), null];
      await Promise.all(
        closes.map(async (close, i) => {
          const ends = await open(`/close-${side}-${i}`);
          const other = side === 'client' ? ends.server : ends.client;
          if (close === null) ends[side].socket.close();
          else ends[side].socket.close(close.code, close.reason);
          // 1005: no code was given (RFC 6455 section 7.4.1). `ws` answers a Close with the same one.
          const { code, reason } = close ?? { code: 1005, reason: '' };
          assert.deepEqual(await other.closed, [code, reason]);
          assert.deepEqual(await ends[side].closed, [code, reason]);
          assertSame(ends.client.tap, ends.server.tap);
          assertSame(ends.server.tap, ends.client.tap);
        }),
      );
    });

    test(`a WebSocket that breaks at the ${side} without a Close breaks at the other side too`, async () => {
      const ends = await open(`/break-${side}`);
      const other = side === 'client' ? ends.server : ends.client;
      ends[side].socket.terminate();
      assert.deepEqual(await other.closed, [1006, '']);
    });
  }
});
