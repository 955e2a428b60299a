import { RequestBody } from '../../src/client/request-body.ts';
import { Framing, Head, Parse } from '../../src/http1/head.ts';
import type { ReadMessage, ReadStream } from './message.ts';
import { readPlainChunks } from './plain-chunks.ts';

/**
 * What limpet makes of a stream of requests that comes in these pieces: the readers of its data path, without what they
 * are for.
 */
export function readByLimpet(pieces: readonly Buffer[]): ReadStream {
  const stream: ReadStream = { messages: [], refused: '' };
  const head = new Head(1_000);
  const body = new RequestBody();
  let current: ReadMessage | null = null;
  /** The body so far, as it goes to the backend. */
  let wire = '';
  let pending: Buffer = Buffer.alloc(0);
  for (const piece of pieces) {
    pending = Buffer.concat([pending, piece]);
    while (pending.length > 0 && stream.refused === '') {
      if (current === null) {
        const last = stream.messages.at(-1);
        if (last !== undefined && !last.keepAlive) return stream;
        const result = head.parseRequest(pending, 0, pending.length);
        if (result === Parse.more) break;
        if (result !== Parse.done) {
          stream.refused = result === Parse.tooMany ? 'too many fields' : head.problem;
          break;
        }
        current = messageOf(head, `${head.method} ${head.text.slice(head.targetStart, head.targetEnd)}`);
        stream.messages.push(current);
        pending = pending.subarray(head.consumed);
        wire = '';
        if (head.framing === Framing.none) {
          current.complete = true;
          current = null;
        } else body.reset(head, 1_000_000, 1_000);
        continue;
      }
      const result = body.take(pending, 0, pending.length);
      if (result === Parse.bad) {
        stream.refused = body.problem;
        break;
      }
      wire += body.piece?.latin1Slice() ?? '';
      if (head.framing === Framing.length) current.body = wire;
      else {
        const { data, trailers, end, problem } = readPlainChunks(wire);
        if (problem !== '')
          throw new Error(`limpet lets malformed chunks through: ${problem} in ${JSON.stringify(wire)}`);
        if (result === Parse.done && end !== wire.length)
          throw new Error(`limpet ends ${JSON.stringify(wire)} where it does not end`);
        current.body = data;
        current.trailers = trailers;
      }
      pending = result === Parse.done ? pending.subarray(body.stop) : Buffer.alloc(0);
      if (result === Parse.done) {
        current.complete = true;
        current = null;
      }
    }
    if (stream.refused !== '') return stream;
  }
  return stream;
}

/** The head as a message without a body. */
export function messageOf(head: Head, start: string): ReadMessage {
  const fields: string[] = [];
  for (let i = 0; i < head.count; i++) fields.push(head.name(i), head.value(i));
  return {
    start,
    version: `1.${head.minor}`,
    fields,
    keepAlive: head.keepAlive,
    body: '',
    trailers: [],
    complete: false,
  };
}
