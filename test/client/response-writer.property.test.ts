import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ResponseWriter } from '../../src/client/response-writer.ts';
import { WrittenSocket } from '../support/written-socket.ts';

/** One thing that is put: text; a head as it came, with so much of the body right behind it; bytes; or a flush. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('text' as const), size: fc.nat(300) }),
  fc.record({ kind: fc.constant('head' as const), size: fc.nat(600), body: fc.constantFrom(0, 1, 60, 17_000) }),
  fc.record({ kind: fc.constant('bytes' as const), size: fc.constantFrom(0, 1, 500, 16_384, 16_385, 70_000) }),
  fc.constant({ kind: 'flush' as const }),
);

test('whatever is put leaves in its order and unchanged, and no later than with the next flush', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const socket = new WrittenSocket();
      const writer = new ResponseWriter(socket);
      let put = '';
      let letter = 0;
      /** Bytes as a read has them: they are used again after the next flush. */
      let read: Buffer = Buffer.alloc(0);
      const fresh = (size: number): Buffer => Buffer.alloc(size + 2, String.fromCharCode(97 + (letter++ % 26)));
      for (const one of steps) {
        if (one.kind === 'flush') {
          assert.equal(writer.flush(), true);
          assert.equal(socket.text, put);
          read.fill('-');
        } else if (one.kind === 'text') {
          const text = fresh(one.size).latin1Slice();
          writer.put(text);
          put += text;
        } else if (one.kind === 'head') {
          read = fresh(one.size + one.body);
          writer.putHead(read, 1, 1 + one.size);
          if (one.body > 0) writer.putBytes(read, 1 + one.size, read.length - 1);
          put += read.latin1Slice(1, 1 + one.size + one.body);
        } else {
          read = fresh(one.size);
          writer.putBytes(read, 1, read.length - 1);
          put += read.latin1Slice(1, read.length - 1);
        }
      }
      writer.flush();
      assert.equal(socket.text, put);
      assert.equal(writer.waiting, 0);
    }),
    { numRuns: 300 },
  );
});

test('a head that goes on as it came and the body behind it leave in one write', () => {
  const socket = new WrittenSocket();
  const writer = new ResponseWriter(socket);
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\n\r\nbody');
  writer.putHead(bytes, 0, 19);
  writer.putBytes(bytes, 19, 23);
  writer.flush();
  assert.deepEqual([socket.text, socket.writes], [bytes.latin1Slice(), 1]);
});

test('nothing that was dropped leaves, and a client that takes nothing is told', () => {
  const socket = new WrittenSocket();
  const writer = new ResponseWriter(socket);
  writer.put('text');
  writer.discard();
  writer.putHead(Buffer.from('head'), 0, 4);
  writer.discard();
  assert.equal(writer.flush(), true);
  assert.equal(socket.text, '');
  socket.writableLength = socket.writableHighWaterMark;
  assert.equal(writer.flush(), false);
});
