import { ChunkedDecoder } from '../../src/http1/chunked.ts';
import { Parse } from '../../src/http1/parse.ts';

/** What came out of a chunked body that was fed in several reads. */
export interface ChunkedOutcome {
  readonly result: number;
  readonly problem: string;
  /** All that may go on, of the reads before the one that was refused. */
  readonly out: string;
  readonly trailers: string;
  /** Bytes of the input up to the end of the message. */
  readonly taken: number;
}

/**
 * Feeds `text` cut at `cuts` (offsets in ascending order) to a decoder, each piece in a buffer of its own with other
 * bytes around it.
 */
export function readChunked(
  text: string,
  wire: boolean,
  cuts: readonly number[] = [],
  maxTrailers = 16_384,
  padded = false,
): ChunkedOutcome {
  const decoder = new ChunkedDecoder();
  decoder.reset(wire, maxTrailers, padded);
  let out = '';
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    const bytes = Buffer.from(`0\r\n${text.slice(from, cut)}\r\n0`, 'latin1');
    const result = decoder.feed(bytes, 3, bytes.length - 3);
    if (result === Parse.bad) return { result, problem: decoder.problem, out, trailers: '', taken: from };
    for (let i = 0; i < decoder.count; i++) {
      out += decoder.before[i] + bytes.latin1Slice(decoder.start[i], decoder.end[i]);
    }
    if (result === Parse.done) {
      return { result, problem: '', out, trailers: decoder.trailers, taken: from + decoder.stop - 3 };
    }
    from = cut;
  }
  return { result: Parse.more, problem: '', out, trailers: decoder.trailers, taken: text.length };
}
