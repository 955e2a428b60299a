import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Parse } from '../../src/http1/parse.ts';
import { chunkedParts, chunkedText, cuts, fieldLines } from './arbitraries.ts';
import { readChunked } from './chunked-reader.ts';

/** A body and cuts through it. */
const cutBody = chunkedParts.chain((parts) =>
  fc.record({
    parts: fc.constant(parts),
    text: fc.constant(chunkedText(parts)),
    cuts: cuts(chunkedText(parts).length),
  }),
);

/** A body as the decoder writes it: sizes in hex without zeros in front, no extension. Refuses everything else. */
function readPlain(wire: string): string {
  let data = '';
  let at = 0;
  while (at < wire.length) {
    const line = /^([1-9a-fA-F][0-9a-fA-F]*)\r\n/.exec(wire.slice(at, at + 20));
    assert.ok(line !== null, `no size line at ${at} of ${JSON.stringify(wire)}`);
    const size = Number.parseInt(line[1]!, 16);
    at += line[0].length;
    data += wire.slice(at, at + size);
    at += size;
    assert.equal(wire.slice(at, at + 2), '\r\n');
    at += 2;
  }
  return data;
}

describe('chunked decoder, properties', () => {
  it('gives back the data and the trailers, however it was chunked and split', () => {
    fc.assert(
      fc.property(cutBody, ({ parts, text, cuts: points }) => {
        const outcome = readChunked(text, false, points);
        assert.equal(outcome.result, Parse.done, outcome.problem);
        assert.equal(outcome.out, parts.chunks.map(({ data }) => data).join(''));
        assert.equal(outcome.trailers, `${fieldLines(parts.trailers)}\r\n`);
        assert.equal(outcome.taken, text.length);
      }),
      { numRuns: 500 },
    );
  });

  it('in wire form what goes on is plain framing of the same data', () => {
    fc.assert(
      fc.property(cutBody, ({ parts, text, cuts: points }) => {
        const outcome = readChunked(text, true, points);
        assert.equal(outcome.result, Parse.done, outcome.problem);
        assert.equal(readPlain(outcome.out), parts.chunks.map(({ data }) => data).join(''));
      }),
      { numRuns: 500 },
    );
  });

  it('finds the end of the message and leaves alone what is behind it', () => {
    fc.assert(
      fc.property(cutBody, fc.string(), ({ text, cuts: points }, behind) => {
        assert.equal(readChunked(text + behind, true, points).taken, text.length);
      }),
      { numRuns: 300 },
    );
  });

  it('53: a body with a byte changed has one outcome, however it is split, and what goes on is plain framing', () => {
    fc.assert(
      fc.property(
        cutBody,
        fc.nat(),
        fc.constantFrom('', '\r', '\n', '0', '5', 'f', ' ', ';', '"', '\\', '\0', ':', '\r\n'),
        fc.nat(1),
        ({ text, cuts: points }, where, put, without) => {
          const at = where % text.length;
          const other = text.slice(0, at) + put + text.slice(at + without);
          const whole = readChunked(other, false);
          const split = readChunked(
            other,
            false,
            points.filter((point) => point <= other.length),
          );
          assert.equal(split.result, whole.result);
          assert.equal(split.problem, whole.problem);
          if (whole.result === Parse.bad) return;
          assert.equal(split.out, whole.out);
          assert.equal(split.taken, whole.taken);
          const wire = readChunked(
            other,
            true,
            points.filter((point) => point <= other.length),
          );
          if (whole.result === Parse.done) assert.equal(readPlain(wire.out), whole.out);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
