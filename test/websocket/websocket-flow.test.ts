import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { WebSocketFlow } from '../../src/websocket/websocket-flow.ts';
import { type Frame, frameBytes, frameSequence, Opcode, readSizes, reads } from './frame-text.ts';

const payload = Buffer.from('abc');
const text: Frame = { opcode: Opcode.text, fin: true, payload };
const first: Frame = { opcode: Opcode.text, fin: false, payload };
const last: Frame = { opcode: Opcode.continuation, fin: true, payload };
const ping: Frame = { opcode: Opcode.ping, fin: true, payload };
const close: Frame = { opcode: Opcode.close, fin: true, payload };
const wire = (...frames: Frame[]): Buffer => Buffer.concat(frames.map((frame) => frameBytes(frame, true)));
/** How many bytes go on. */
const passed = (flow: WebSocketFlow, bytes: Buffer): number => flow.pass(bytes, 0, bytes.length);

describe('one direction of a WebSocket', () => {
  test('46: the Close comes at the end of the message that is under way, wherever reads cut it', () => {
    fc.assert(
      fc.property(frameSequence, readSizes, fc.nat(), (frames, sizes, seed) => {
        const bytes = wire(...frames);
        const offsets: number[] = [0];
        let at = 0;
        let inMessage = false;
        for (const frame of frames) {
          at += frameBytes(frame, true).length;
          if (frame.opcode < 8) inMessage = !frame.fin;
          if (!inMessage) offsets.push(at);
        }
        const flow = new WebSocketFlow(true);
        const pieces = [...reads(bytes, sizes)];
        const when = seed % (pieces.length + 1);
        let gone = 0;
        let asked = 0;
        let closes = 0;
        for (const [i, piece] of pieces.entries()) {
          if (i === when) {
            flow.close(false);
            asked = gone;
            if (flow.takeClose()) closes++;
          }
          gone += passed(flow, piece);
          if (flow.takeClose()) closes++;
        }
        const expected = when === pieces.length ? bytes.length : offsets.find((offset) => offset >= asked)!;
        assert.equal(gone, expected);
        assert.equal(closes, when === pieces.length ? 0 : 1);
      }),
      { numRuns: 300 },
    );
  });

  test('46: urgent: a boundary between fragments is good enough', () => {
    const flow = new WebSocketFlow(true);
    passed(flow, wire(first));
    flow.close(false);
    assert.equal(flow.takeClose(), false);
    passed(flow, wire(ping));
    assert.equal(flow.takeClose(), false);
    const half = wire(ping).subarray(0, 5);
    passed(flow, half);
    flow.close(true);
    assert.equal(flow.takeClose(), false, 'not within a frame');
    const rest = wire(ping, last).subarray(5);
    assert.equal(passed(flow, rest), wire(ping).length - 5);
    assert.equal(flow.takeClose(), true);
    assert.equal(flow.takeClose(), false, 'once');
    assert.ok(flow.done);
  });

  test("46: the sender's Close is not passed on: ours takes its place, also between fragments", () => {
    const flow = new WebSocketFlow(true);
    passed(flow, wire(first));
    flow.close(false);
    const answer = wire(close);
    assert.equal(passed(flow, answer.subarray(0, 1)), 0);
    assert.equal(flow.takeClose(), true);
    assert.equal(flow.senderClosed, false);
    assert.equal(passed(flow, answer.subarray(1)), 0);
    assert.equal(flow.senderClosed, true);
  });

  test('46: after our Close nothing goes on, and the answer is found behind what is dropped', () => {
    const flow = new WebSocketFlow(true);
    flow.close(false);
    assert.equal(flow.takeClose(), true);
    assert.equal(passed(flow, wire(text, first)), 0);
    assert.equal(flow.senderClosed, false);
    assert.equal(passed(flow, wire(ping, last, close)), 0);
    assert.equal(flow.senderClosed, true);
  });

  test('a sender that has begun to close by itself, or breaks the framing, is not to be closed', () => {
    const closing = new WebSocketFlow(true);
    assert.ok(closing.closable);
    assert.equal(passed(closing, wire(close).subarray(0, 1)), 1);
    assert.ok(!closing.closable);
    const broken = new WebSocketFlow(false);
    assert.equal(passed(broken, wire(text)), wire(text).length);
    assert.ok(!broken.closable);
    broken.close(true);
    assert.equal(broken.takeClose(), false);
    assert.equal(passed(broken, wire(text)), wire(text).length, 'it is passed on as it is');
  });

  test('framing that breaks while the end of a message is awaited: everything is passed on', () => {
    const flow = new WebSocketFlow(true);
    passed(flow, wire(first));
    flow.close(false);
    assert.equal(passed(flow, Buffer.from([0x82, 0x01, 1, 2, 3])), 5);
    assert.equal(flow.takeClose(), false);
    assert.ok(!flow.done);
  });

  test('a sender that ends: a Close where one can follow, none within a frame', () => {
    const between = new WebSocketFlow(true);
    passed(between, wire(first));
    between.close(false);
    between.end();
    assert.equal(between.takeClose(), true);
    const within = new WebSocketFlow(true);
    passed(within, wire(first).subarray(0, 3));
    within.close(false);
    within.end();
    assert.equal(within.takeClose(), false);
    assert.ok(within.done && within.brokenOff);
  });
});
