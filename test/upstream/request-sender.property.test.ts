import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RequestBody } from '../../src/client/request-body.ts';
import { Head, Parse } from '../../src/http1/head.ts';
import { RequestSender, type SentRequest } from '../../src/upstream/request-sender.ts';
import { chunkedParts, chunkedText, cuts } from '../http1/arbitraries.ts';
import { readChunked } from '../http1/chunked-reader.ts';
import { WrittenSocket } from '../support/written-socket.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\n\r\n';

/** A request whose body comes in reads, as an exchange keeps it. */
class Coming implements SentRequest {
  readonly body: Buffer[] = [];
  readonly pool: SentRequest['pool'];
  bodyBytes = 0;
  bodyDone = false;
  replayable = true;
  expectsContinue = false;
  continued = false;
  /** What its client was asked for last. */
  asked = '';
  readonly client = {
    readBody: () => void (this.asked = 'read'),
    holdBody: () => void (this.asked = 'hold'),
  };
  readonly #reader = new RequestBody();

  constructor(framing: string, bodyBuffer: number) {
    this.pool = { config: { retry: { bodyBuffer } } };
    const head = new Head(100, true);
    const bytes = Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`);
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
    this.#reader.reset(head, 16_384, 100);
  }

  /** A read of its client. */
  come(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    const result = this.#reader.take(bytes, 0, bytes.length);
    assert.notEqual(result, Parse.bad, this.#reader.problem);
    this.bodyDone = result === Parse.done;
    const { piece } = this.#reader;
    if (piece === null) return;
    this.body.push(piece);
    this.bodyBytes += piece.length;
  }
}

/** A body, how it is framed, the reads it comes in, and how many of them come before there is a backend. */
const coming = fc
  .oneof(
    chunkedParts.map((parts) => ({
      framing: 'Transfer-Encoding: chunked',
      text: chunkedText(parts),
      plain: parts.chunks.map(({ data }) => data).join(''),
    })),
    fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 300 }).map((text) => ({
      framing: `Content-Length: ${text.length}`,
      text,
      plain: text,
    })),
  )
  .chain((body) =>
    fc.record({
      body: fc.constant(body),
      reads: cuts(body.text.length).map((points) =>
        [...points, body.text.length]
          .map((to, i) => body.text.slice(points[i - 1] ?? 0, to))
          .filter((read) => read !== ''),
      ),
      early: fc.nat(4),
      bodyBuffer: fc.constantFrom(0, 20, 1_000_000),
    }),
  );

/** What a backend makes of the bytes behind the head. */
function received(framing: string, wire: string): { whole: boolean; plain: string } {
  assert.ok(wire.startsWith(HEAD));
  const body = wire.slice(HEAD.length);
  if (framing.startsWith('Content-Length')) {
    return { whole: body.length === Number(framing.slice('Content-Length: '.length)), plain: body };
  }
  const read = readChunked(body, false);
  assert.notEqual(read.result, Parse.bad, read.problem);
  return { whole: read.result === Parse.done, plain: read.out };
}

describe('the sender of requests', () => {
  it('sends the body as it was meant, with a length or in chunks, whatever reads it comes in and whenever there is a backend', () => {
    // As that of a connection that is kept: what it has sent before leaves nothing behind.
    const sender = new RequestSender();
    fc.assert(
      fc.property(coming, ({ body, reads, early, bodyBuffer }) => {
        const x = new Coming(body.framing, bodyBuffer);
        const socket = new WrittenSocket();
        sender.reset(x, HEAD);
        for (const [i, text] of reads.entries()) {
          if (i === early) sender.begin(x, socket);
          x.come(text);
          if (i >= early) sender.sendBody(x, socket);
        }
        if (reads.length <= early) sender.begin(x, socket);
        assert.deepEqual(received(body.framing, socket.text), { whole: true, plain: body.plain });
        assert.equal(sender.isWhole(x), true);
        assert.equal(x.replayable, x.bodyBytes <= bodyBuffer);
      }),
      { numRuns: 300 },
    );
  });

  it('27: sends the same from the beginning to another backend, as long as all of it is kept', () => {
    fc.assert(
      fc.property(coming, fc.nat(8), ({ body, reads, early }, failsAt) => {
        const x = new Coming(body.framing, 1_000_000);
        const [first, second] = [new RequestSender(), new RequestSender()];
        const [one, other] = [new WrittenSocket(), new WrittenSocket()];
        let sender = first;
        let socket = one;
        sender.reset(x, HEAD);
        for (const [i, text] of reads.entries()) {
          if (i === early && !sender.begun) sender.begin(x, socket);
          if (i === failsAt) {
            sender = second;
            socket = other;
            sender.reset(x, HEAD);
            sender.begin(x, socket);
          }
          x.come(text);
          if (sender.begun) sender.sendBody(x, socket);
        }
        if (sender !== second) {
          second.reset(x, HEAD);
          second.begin(x, other);
        }
        assert.deepEqual(received(body.framing, other.text), { whole: true, plain: body.plain });
        assert.ok(other.text.startsWith(one.text), 'the first one has got the beginning of it');
      }),
      { numRuns: 300 },
    );
  });

  it('35: a client that stops half-way leaves a request that is not whole', () => {
    fc.assert(
      fc.property(coming, ({ body, reads, bodyBuffer }) => {
        const x = new Coming(body.framing, bodyBuffer);
        const sender = new RequestSender();
        const socket = new WrittenSocket();
        sender.reset(x, HEAD);
        sender.begin(x, socket);
        for (const text of [...reads.slice(0, -1), reads.at(-1)!.slice(0, -1)]) {
          x.come(text);
          sender.sendBody(x, socket);
        }
        assert.equal(sender.isWhole(x), false);
        const { whole, plain } = received(body.framing, socket.text);
        assert.equal(whole, false);
        assert.ok(body.plain.startsWith(plain));
      }),
      { numRuns: 200 },
    );
  });

  it('lets more come only while the backend takes it', () => {
    const x = new Coming('Content-Length: 10', 0);
    const sender = new RequestSender();
    const socket = new WrittenSocket();
    sender.reset(x, HEAD);
    sender.begin(x, socket);
    assert.equal(x.asked, 'read');
    socket.writableLength = socket.writableHighWaterMark;
    x.come('01234');
    sender.sendBody(x, socket);
    assert.equal(x.asked, 'hold');
    sender.drained(x);
    assert.equal(x.asked, 'read');
    assert.equal(sender.takesCopies(x), true);
    sender.sendCopy(x, socket, Buffer.from('..56789..'), 2, 7);
    assert.equal(socket.text, `${HEAD}0123456789`);
    x.asked = '';
    x.bodyDone = true;
    sender.drained(x);
    assert.equal(x.asked, '');
  });

  it('waits for 100 Continue with the body, not with the head', () => {
    const x = new Coming('Content-Length: 4', 1_000);
    x.expectsContinue = true;
    const sender = new RequestSender();
    const socket = new WrittenSocket();
    sender.reset(x, HEAD);
    assert.equal(sender.awaitsContinue, true);
    sender.begin(x, socket);
    assert.deepEqual([socket.text, sender.takesCopies(x), x.asked], [HEAD, false, 'read']);
    x.come('body');
    sender.sendBody(x, socket);
    assert.deepEqual([socket.text, sender.awaitsContinue], [`${HEAD}body`, false]);
  });

  it('30: knows that nothing was sent when the first write, which was all of it, was refused whole', () => {
    for (const [size, refused] of [
      [0, true],
      [100, true],
      [20_000, false],
    ] as const) {
      const x = new Coming(size === 0 ? 'X-None: 1' : `Content-Length: ${size}`, 1_000_000);
      if (size === 0) x.bodyDone = true;
      else x.come('x'.repeat(size));
      const sender = new RequestSender();
      sender.reset(x, HEAD);
      sender.begin(x, new WrittenSocket());
      sender.failed(false);
      assert.equal(sender.refused, false);
      sender.failed(true);
      assert.equal(sender.refused, refused, `${size} bytes`);
    }
  });
});
