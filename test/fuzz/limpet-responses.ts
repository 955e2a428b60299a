import { ChunkedDecoder } from '../../src/http1/chunked.ts';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import { trailerLines } from '../../src/upstream/trailers.ts';
import { messageOf } from './limpet-requests.ts';
import type { ReadMessage, ReadStream } from './message.ts';
import { readPlainChunks } from './plain-chunks.ts';

/**
 * What limpet makes of the answer to one request with `method`, in these pieces and then the end of the connection: the
 * readers of its data path, put together as upstream/upstream.ts does it. Holds the 1xx responses and the final one.
 */
export function readResponseByLimpet(method: string, pieces: readonly Buffer[]): ReadStream {
  const stream: ReadStream = { messages: [], refused: '' };
  const head = new Head(1_000);
  const decoder = new ChunkedDecoder();
  let current: ReadMessage | null = null;
  let framing: number = Framing.none;
  let left = 0;
  let wire = '';
  let pending: Buffer = Buffer.alloc(0);
  const refuse = (problem: string): ReadStream => {
    stream.refused = problem;
    return stream;
  };
  for (const piece of pieces) {
    pending = Buffer.concat([pending, piece]);
    while (current === null) {
      const result = head.parseResponse(pending, 0, pending.length);
      if (result === Parse.more) break;
      if (result !== Parse.done) return refuse(result === Parse.tooMany ? 'too many fields' : head.problem);
      if (head.status === 101) return refuse('101 that nobody asked for');
      pending = pending.subarray(head.consumed);
      const message = messageOf(head, `${head.status} ${head.text.slice(head.reasonStart, head.fieldsStart - 2)}`);
      stream.messages.push(message);
      if (head.status < 200) {
        message.complete = true;
        // The final response says whether the connection stays.
        message.keepAlive = true;
        continue;
      }
      current = message;
      framing = head.responseFraming(method);
      left = head.contentLength;
      message.keepAlive = head.keepAlive && framing !== Framing.untilClose;
      decoder.reset(true, 1_000_000, true);
    }
    if (current === null) continue;
    if (framing === Framing.none) {
      current.complete = true;
      return stream;
    }
    if (framing === Framing.chunked) {
      const result = decoder.feed(pending, 0, pending.length);
      if (result === Parse.bad) return refuse(decoder.problem);
      for (let i = 0; i < decoder.count; i++) {
        wire += decoder.before[i] + pending.latin1Slice(decoder.start[i], decoder.end[i]);
      }
      if (result === Parse.done) {
        const lines = trailerLines(decoder.trailers, 1_000);
        if (lines === null) return refuse('malformed trailer section');
        wire += `0\r\n${lines}\r\n`;
      }
      const { data, trailers, end, problem } = readPlainChunks(wire);
      if (problem !== '')
        throw new Error(`limpet lets malformed chunks through: ${problem} in ${JSON.stringify(wire)}`);
      current.body = data;
      current.trailers = trailers;
      current.complete = result === Parse.done && end === wire.length;
    } else {
      const taken = framing === Framing.length ? pending.subarray(0, left - current.body.length) : pending;
      current.body += taken.latin1Slice();
      current.complete = framing === Framing.length && current.body.length === left;
    }
    if (current.complete) return stream;
    pending = Buffer.alloc(0);
  }
  if (current !== null && framing === Framing.untilClose) current.complete = true;
  return stream;
}
