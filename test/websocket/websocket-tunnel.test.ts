import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isWebSocket } from '../../src/websocket/is-websocket.ts';
import { CloseReason } from '../../src/websocket/websocket-close.ts';
import { WebSocketTunnel } from '../../src/websocket/websocket-tunnel.ts';
import { type Frame, frameBytes, Opcode } from './frame-text.ts';

const text: Frame = { opcode: Opcode.text, fin: true, payload: Buffer.from('hello') };
const close: Frame = { opcode: Opcode.close, fin: true, payload: Buffer.from('\x03\xe8', 'latin1') };
const GOING_AWAY = '\x88\x0c\x03\xe9going away';

/** A tunnel whose two ends write down what they are told. */
class Recorded {
  readonly tunnel = new WebSocketTunnel();
  readonly told: string[] = [];
  clientIsRead = false;
  backendIsRead = false;
  readonly #client = {
    write: (frame: string | Buffer) => void this.told.push(`client ${frame === GOING_AWAY ? '1001' : frame}`),
    end: () => this.#once('client FIN'),
    resume: () => {
      this.clientIsRead = true;
    },
  };
  readonly #backend = {
    write: (frame: string | Buffer) =>
      void this.told.push(`backend ${unmasked(frame as Buffer) === GOING_AWAY ? '1001' : frame}`),
    end: () => this.#once('backend FIN'),
    resume: () => {
      this.backendIsRead = true;
    },
  };

  #once(what: string): void {
    if (!this.told.includes(what)) this.told.push(what);
  }

  goAway(urgent = false): void {
    this.tunnel.goAway(urgent, CloseReason.goingAway, this.#client, this.#backend);
  }

  /** Bytes come from a side. Returns how many go on. */
  from(side: 'client' | 'backend', bytes: Buffer): number {
    const flow = side === 'client' ? this.tunnel.fromClient : this.tunnel.fromBackend;
    const end = flow.pass(bytes, 0, bytes.length);
    this.step();
    return end;
  }

  send(side: 'client' | 'backend', ...frames: Frame[]): number {
    return this.from(side, Buffer.concat(frames.map((frame) => frameBytes(frame, side === 'client'))));
  }

  step(): void {
    if (this.tunnel.goingAway) this.tunnel.step(this.#client, this.#backend);
  }

  clientClosed(): boolean {
    return this.tunnel.clientClosed(this.#client, this.#backend);
  }

  backendClosed(): boolean {
    return this.tunnel.backendClosed(this.#client, this.#backend);
  }
}

/** A short masked frame as the same frame without mask. */
function unmasked(frame: Buffer): string {
  assert.ok((frame[1]! & 0x80) !== 0, 'frames to a backend are masked');
  const payload = frame.subarray(6).map((byte, i) => byte ^ frame[2 + (i & 3)]!);
  return Buffer.concat([Buffer.of(frame[0]!, frame[1]! & 0x7f), payload]).latin1Slice();
}

describe('a WebSocket that goes away', () => {
  test('46: both peers are told; each one that answers is done with a FIN, without waiting for the other', () => {
    const websocket = new Recorded();
    assert.equal(websocket.send('client', text), 11);
    websocket.goAway();
    assert.deepEqual(websocket.told.splice(0), ['backend 1001', 'client 1001']);
    assert.equal(websocket.send('backend', text), 0, 'nothing goes on behind our Close');
    assert.equal(websocket.send('client', close), 0, 'nor does the answer');
    assert.deepEqual(websocket.told.splice(0), ['client FIN']);
    assert.equal(websocket.send('backend', close), 0);
    assert.deepEqual(websocket.told, ['backend FIN', 'client FIN']);
    websocket.goAway(true);
    assert.equal(websocket.told.filter((what) => what.endsWith('1001')).length, 0, 'each is told once');
  });

  test('46: a direction in the middle of a frame is closed behind it, the other at once', () => {
    const websocket = new Recorded();
    const frame = frameBytes({ opcode: Opcode.binary, fin: true, payload: Buffer.alloc(100_000) }, false);
    assert.equal(websocket.from('backend', frame.subarray(0, 50_000)), 50_000);
    websocket.goAway();
    assert.deepEqual(websocket.told.splice(0), ['backend 1001']);
    const rest = Buffer.concat([frame.subarray(50_000), frameBytes(close, false)]);
    assert.equal(websocket.from('backend', rest), frame.length - 50_000);
    assert.deepEqual(websocket.told, ['client 1001', 'backend FIN']);
  });

  test('46: a peer that has begun to close by itself is left alone, and so is one that ended or breaks the framing', () => {
    const before: ((websocket: Recorded) => void)[] = [
      (websocket) => void websocket.send('client', text, close),
      (websocket) => void websocket.send('backend', close),
      (websocket) => websocket.tunnel.clientEnds(),
      (websocket) => websocket.tunnel.backendEnds(),
      (websocket) => void websocket.from('backend', Buffer.from([0x82, 126, 0, 3, 1, 2, 3])),
    ];
    for (const happens of before) {
      const websocket = new Recorded();
      happens(websocket);
      websocket.goAway();
      websocket.goAway(true);
      assert.equal(websocket.tunnel.goingAway, false);
      assert.deepEqual(websocket.told, []);
      assert.ok(websocket.send('backend', text) > 0, 'bytes pass as before');
      assert.equal(websocket.clientClosed(), false);
      assert.equal(websocket.backendClosed(), false);
    }
  });

  test('46: a peer that closes its connection instead of answering is done too', () => {
    const websocket = new Recorded();
    websocket.goAway();
    websocket.told.length = 0;
    websocket.tunnel.backendEnds();
    websocket.step();
    assert.deepEqual(websocket.told, ['backend FIN']);
    assert.equal(websocket.backendClosed(), true, 'the client still has to answer');
    websocket.tunnel.clientEnds();
    websocket.step();
    assert.ok(websocket.told.includes('client FIN'));
    const gone = new Recorded();
    gone.goAway();
    assert.equal(gone.clientClosed(), true, 'the backend still has to answer');
  });

  test('46: a peer that was not read because the other one is slow is read again once nothing of it goes on', () => {
    const websocket = new Recorded();
    websocket.from('client', frameBytes(text, true).subarray(0, 9));
    websocket.goAway();
    assert.deepEqual([websocket.clientIsRead, websocket.backendIsRead], [false, true]);
    websocket.backendClosed();
    assert.equal(websocket.clientIsRead, true);
  });

  test('46: a connection that breaks within a frame cannot be closed politely', () => {
    const websocket = new Recorded();
    websocket.from('client', frameBytes(text, true).subarray(0, 9));
    websocket.goAway();
    assert.deepEqual(websocket.told, ['client 1001']);
    assert.equal(websocket.clientClosed(), false);
    assert.ok(!websocket.told.includes('backend 1001'));
  });
});

test('a WebSocket is what was asked for and answered as one', () => {
  assert.ok(isWebSocket('WebSocket', 'websocket'));
  assert.ok(isWebSocket('other, websocket', 'WebSocket'));
  assert.ok(!isWebSocket('websocket', 'other'));
  assert.ok(!isWebSocket('other', 'websocket'));
});
