import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import { ResponseBody } from '../../src/upstream/response-body.ts';
import { chunkedParts, chunkedText, cuts } from '../http1/arbitraries.ts';
import { readChunked } from '../http1/chunked-reader.ts';
import { WrittenClient } from '../support/written-client.ts';

const LENGTH = (size: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`;
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';
const UNTIL_CLOSE = 'HTTP/1.1 200 OK\r\n\r\n';

const data = fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 200 });
const chunkedBody = chunkedParts.chain((parts) =>
  fc.record({
    parts: fc.constant(parts),
    text: fc.constant(chunkedText(parts)),
    points: cuts(chunkedText(parts).length),
  }),
);

function begin(head: string, chunks: boolean): { body: ResponseBody; framing: number } {
  const parsed = new Head(100, true);
  const bytes = Buffer.from(head, 'latin1');
  assert.equal(parsed.parseResponse(bytes, 0, bytes.length), Parse.done);
  const body = new ResponseBody();
  return { body, framing: body.reset(parsed, 'GET', chunks) };
}

/** Passes `text` on in pieces, each with other bytes around it. `taken`: up to the end of the body. */
function relay(body: ResponseBody, text: string, points: readonly number[]) {
  const client = new WrittenClient();
  let from = 0;
  for (const to of [...points, text.length]) {
    if (to === from) continue;
    const bytes = Buffer.from(`..${text.slice(from, to)}..`, 'latin1');
    const result = body.relay(client, bytes, 2, bytes.length - 2);
    if (result !== Parse.more) return { result, out: client.text, taken: from + body.stop - 2, client };
    from = to;
  }
  return { result: Parse.more as number, out: client.text, taken: text.length, client };
}

describe('the body of a response', () => {
  it('with a length ends where that says, and leaves alone what is behind it', () => {
    fc.assert(
      fc.property(data, data, fc.array(fc.nat(400), { maxLength: 8 }), (text, behind, points) => {
        const { body, framing } = begin(LENGTH(text.length), true);
        assert.equal(framing, Framing.length);
        const all = text + behind;
        const sorted = points.filter((point) => point < all.length).sort((a, b) => a - b);
        const { result, out, taken } = relay(body, all, sorted);
        assert.deepEqual([result, out, taken], [Parse.done, text, text.length]);
      }),
    );
  });

  it('58: in chunks goes on as chunks, or without them to a client that takes none; trailers too', () => {
    fc.assert(
      fc.property(chunkedBody, fc.boolean(), data, ({ parts, text, points }, chunks, behind) => {
        const { body, framing } = begin(CHUNKED, chunks);
        assert.equal(framing, chunks ? Framing.chunked : Framing.untilClose);
        const { result, out, taken } = relay(body, text + behind, points);
        assert.deepEqual([result, taken], [Parse.done, text.length]);
        const plain = parts.chunks.map((chunk) => chunk.data).join('');
        if (!chunks) return assert.equal(out, plain);
        const read = readChunked(out, false);
        assert.deepEqual([read.result, read.out, read.taken], [Parse.done, plain, out.length]);
      }),
      { numRuns: 300 },
    );
  });

  it('64: that breaks off in chunks is never whole to the client', () => {
    fc.assert(
      fc.property(chunkedBody, fc.nat(), ({ text, points }, cut) => {
        const part = text.slice(0, cut % text.length);
        const { body } = begin(CHUNKED, true);
        const { result, out } = relay(
          body,
          part,
          points.filter((point) => point < part.length),
        );
        assert.equal(result, Parse.more);
        assert.equal(readChunked(out, false).result, Parse.more);
      }),
    );
  });

  it('that ends with the connection is given chunks, so that its end can be told from a break', () => {
    fc.assert(
      fc.property(data, fc.array(fc.nat(200), { maxLength: 8 }), (text, points) => {
        const { body, framing } = begin(UNTIL_CLOSE, true);
        assert.deepEqual([framing, body.isUntilClose], [Framing.chunked, true]);
        const sorted = points.filter((point) => point < text.length).sort((a, b) => a - b);
        const { result, client } = relay(body, text, sorted);
        assert.equal(result, Parse.more);
        assert.equal(readChunked(client.text, false).result, Parse.more);
        body.finish(client);
        const read = readChunked(client.text, false);
        assert.deepEqual([read.result, read.out], [Parse.done, text]);
      }),
    );
    const { body, framing } = begin(UNTIL_CLOSE, false);
    assert.equal(framing, Framing.untilClose);
    const { client } = relay(body, 'text', []);
    body.finish(client);
    assert.equal(client.text, 'text');
  });

  it('50: that is the rest of another one brings what is left of that, however it is framed', () => {
    fc.assert(
      fc.property(chunkedBody, fc.nat(100), ({ parts, text, points }, less) => {
        const plain = parts.chunks.map((chunk) => chunk.data).join('');
        if (plain === '') return;
        const left = Math.max(1, plain.length - less);
        const { body } = begin(CHUNKED, true);
        body.continueWith(left);
        const { result, out } = relay(body, text, points);
        assert.deepEqual([result, out], [Parse.done, plain.slice(0, left)]);
      }),
    );
    const { body } = begin(CHUNKED, true);
    body.continueWith(6);
    assert.equal(relay(body, '5\r\nhello\r\n0\r\n\r\n', []).result, Parse.bad, 'fewer than the client counts on');
  });

  it('53: whose framing is broken in the read of its head is found out before anything goes on', () => {
    for (const [text, well] of [
      ['5\r\nhello\r\n0\r\n\r\n', true],
      ['5\r\nhel', true],
      ['', true],
      ['5\r\nhelloX', false],
      ['x\r\n', false],
      ['0\r\nno colon\r\n\r\n', false],
    ] as const) {
      const { body } = begin(CHUNKED, true);
      const bytes = Buffer.from(text);
      assert.equal(body.beginsWell(bytes, 0, bytes.length), well, text);
      if (!well) assert.notEqual(body.problem, '');
      // Looked at only: it is passed on from its beginning.
      else if (text !== '') assert.equal(relay(body, text, []).out.slice(0, 3), '5\r\n');
    }
  });
});
