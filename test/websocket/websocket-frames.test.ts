import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FrameReader } from '../../src/websocket/websocket-frames.ts';
import { type Frame, frameBytes, frameSequence, Opcode, readSizes, reads } from './frame-text.ts';

/** Feeds the bytes read by read; each end of a frame, as an offset into all of them. */
function boundaries(reader: FrameReader, bytes: Buffer, sizes: readonly number[]): number[] {
  const found: number[] = [];
  let before = 0;
  for (const read of reads(bytes, sizes)) {
    for (let p = 0; p < read.length; ) {
      p = reader.next(read, p, read.length);
      if (reader.atBoundary) found.push(before + p);
    }
    before += read.length;
  }
  return found;
}

function ends(frames: readonly Frame[], masked: boolean): number[] {
  let at = 0;
  return frames.map((frame) => {
    at += frameBytes(frame, masked).length;
    return at;
  });
}

const close: Frame = { opcode: Opcode.close, fin: true, payload: Buffer.from('\x03\xe8bye', 'latin1') };

describe('frame reader', () => {
  test('finds the same boundaries, however the frames are cut into reads', () => {
    fc.assert(
      fc.property(frameSequence, fc.boolean(), readSizes, (frames, masked, sizes) => {
        const reader = new FrameReader(masked);
        const bytes = Buffer.concat(frames.map((frame) => frameBytes(frame, masked)));
        assert.deepEqual(boundaries(reader, bytes, sizes), ends(frames, masked));
        assert.equal(reader.broken, false);
        assert.equal(reader.closeBegan, false);
        assert.equal(reader.inMessage, false);
      }),
      { numRuns: 300 },
    );
  });

  test('cut at every place: headers of all lengths', () => {
    for (const masked of [false, true]) {
      for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
        const frame = { opcode: Opcode.text, fin: true, payload: Buffer.alloc(length) };
        const bytes = frameBytes(frame, masked);
        for (let cut = 1; cut < 16 && cut < bytes.length; cut++) {
          const reader = new FrameReader(masked);
          assert.deepEqual(boundaries(reader, bytes, [cut, bytes.length]), [bytes.length], `${length} bytes at ${cut}`);
        }
      }
    }
  });

  test('a boundary between fragments is inside the message, also around control frames', () => {
    const reader = new FrameReader(false);
    const inside = (frame: Frame): boolean => {
      const bytes = frameBytes(frame, false);
      assert.equal(reader.next(bytes, 0, bytes.length), bytes.length);
      return reader.inMessage;
    };
    const payload = Buffer.alloc(3);
    assert.equal(inside({ opcode: Opcode.text, fin: false, payload }), true);
    assert.equal(inside({ opcode: Opcode.ping, fin: true, payload }), true);
    assert.equal(inside({ opcode: Opcode.continuation, fin: false, payload }), true);
    assert.equal(inside({ opcode: Opcode.continuation, fin: true, payload }), false);
  });

  test('sees a Close frame from its first byte, and its end', () => {
    fc.assert(
      fc.property(frameSequence, fc.boolean(), readSizes, (frames, masked, sizes) => {
        const reader = new FrameReader(masked);
        boundaries(reader, Buffer.concat(frames.map((frame) => frameBytes(frame, masked))), sizes);
        const bytes = frameBytes(close, masked);
        for (let p = 0; p < bytes.length; p++) {
          assert.equal(reader.closeBegan, p > 0);
          assert.equal(reader.closeEnded, false);
          reader.next(bytes, p, p + 1);
        }
        assert.equal(reader.closeEnded, true);
      }),
      { numRuns: 50 },
    );
  });

  test('a frame of 2^40 bytes is stepped over', () => {
    const reader = new FrameReader(false);
    const head = Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert.equal(reader.next(head, 0, head.length), head.length);
    const part = Buffer.alloc(2 ** 24);
    for (let i = 0; i < 2 ** 16; i++) {
      assert.equal(reader.atBoundary, false);
      assert.equal(reader.next(part, 0, part.length), part.length);
    }
    assert.equal(reader.atBoundary, true);
  });

  const wrong: [string, boolean, number[]][] = [
    ['a 16 bit length that would fit into 7', false, [0x82, 126, 0, 125]],
    ['a 64 bit length that would fit into 16', false, [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]],
    ['a 64 bit length with its highest bit set', false, [0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]],
    ['a control frame with more than 125 bytes', false, [0x89, 126, 0, 126]],
    ['a control frame in fragments', false, [0x09, 0]],
    ['a masked frame of a server', false, [0x82, 0x80]],
    ['a frame of a client without mask', true, [0x82, 0x01]],
    ['HTTP', true, [...Buffer.from('GET / HTTP/1.1')]],
  ];
  for (const [what, masked, bytes] of wrong) {
    test(`breaks at ${what}, wherever it is cut`, () => {
      const wire = Buffer.from([...bytes, 0x88, 0, 0x88, 0]);
      for (let size = 1; size <= wire.length; size++) {
        const reader = new FrameReader(masked);
        assert.deepEqual(boundaries(reader, wire, [size]), []);
        assert.equal(reader.broken, true);
        assert.equal(reader.closeBegan, false);
      }
    });
  }
});
