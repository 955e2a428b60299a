import type { ClientSide } from '../exchange/client-side.ts';
import { ChunkedDecoder } from '../http1/chunked.ts';
import { Framing, type Head, Parse } from '../http1/head.ts';
import { trailerLines } from './trailers.ts';

/** What a body is passed on to. */
type BodyReader = Pick<ClientSide, 'put' | 'putBytes'>;

/** How a body goes on to the client. */
const Relay = { none: 0, raw: 1, wire: 2, decoded: 3, rechunked: 4, rest: 5 } as const;

/** Bytes of a trailer section. */
const MAX_TRAILER_BYTES = 262_144;
/** Fields of a trailer section. */
const MAX_FIELDS = 1_000;
const LAST_CHUNK = '0\r\n\r\n';
const BAD_TRAILERS = 'malformed trailer section';

/**
 * The body of a response as it comes in: finds its end, and passes it on in the form that the client takes. Chunked
 * framing is checked before it goes on. One per connection, reused.
 */
export class ResponseBody {
  /** Offset of the first byte behind the body, after Parse.done. */
  stop = 0;
  problem = '';
  #relay: number = Relay.none;
  #framing: Framing = Framing.none;
  #left = 0;
  #decoder: ChunkedDecoder | null = null;

  /**
   * Begins the body of a response.
   * @param method of its request
   * @param chunks the client takes chunked coding
   * @returns its framing towards the client
   */
  reset(head: Head, method: string, chunks: boolean): Framing {
    const framing = head.responseFraming(method);
    this.#framing = framing;
    this.#left = framing === Framing.length ? head.contentLength : 0;
    switch (framing) {
      case Framing.none:
        this.#relay = Relay.none;
        return framing;
      case Framing.length:
        this.#relay = Relay.raw;
        return framing;
      case Framing.chunked:
        this.#relay = chunks ? Relay.wire : Relay.decoded;
        this.#decoder ??= new ChunkedDecoder();
        this.#decoder.reset(chunks, MAX_TRAILER_BYTES, true);
        break;
      default:
        // Chunked towards the client: then it can tell the end from a break (RFC 9112 8).
        this.#relay = chunks ? Relay.rechunked : Relay.raw;
        break;
    }
    return chunks ? Framing.chunked : Framing.untilClose;
  }

  /** There is none. */
  get isNone(): boolean {
    return this.#framing === Framing.none;
  }

  /** Its end is that of the connection. */
  get isUntilClose(): boolean {
    return this.#framing === Framing.untilClose;
  }

  /**
   * Whether bytes[from, to), which came in one read with the head, can be its beginning: broken framing can still be a
   * clean 502 then. Passes nothing on.
   */
  beginsWell(bytes: Buffer, from: number, to: number): boolean {
    if (this.#framing !== Framing.chunked || from === to) return true;
    const decoder = this.#decoder!;
    const result = decoder.feed(bytes, from, to);
    if (result === Parse.bad) this.problem = decoder.problem;
    else if (result === Parse.done && trailerLines(decoder.trailers, MAX_FIELDS) === null) this.problem = BAD_TRAILERS;
    else this.problem = '';
    if (this.problem !== '') return false;
    decoder.reset(this.#relay === Relay.wire, MAX_TRAILER_BYTES, true);
    return true;
  }

  /**
   * It is the rest of one that broke, whose head the client has (behaviour 50).
   * @param left bytes to come; the client counts on them, however this backend frames them
   */
  continueWith(left: number): void {
    this.#left = left;
    if (this.#framing === Framing.chunked) {
      this.#relay = Relay.rest;
      this.#decoder!.reset(false, MAX_TRAILER_BYTES, true);
    } else {
      this.#relay = Relay.raw;
      this.#framing = Framing.length;
    }
  }

  /** Passes bytes[from, to) on. @returns Parse.more; Parse.done, with `stop`; or Parse.bad, with `problem` */
  relay(client: BodyReader, bytes: Buffer, from: number, to: number): number {
    switch (this.#relay) {
      case Relay.raw: {
        if (this.#framing === Framing.untilClose) {
          client.putBytes(bytes, from, to);
          return Parse.more;
        }
        const take = Math.min(this.#left, to - from);
        this.#left -= take;
        client.putBytes(bytes, from, from + take);
        this.stop = from + take;
        return this.#left === 0 ? Parse.done : Parse.more;
      }
      case Relay.rechunked:
        client.put(`${(to - from).toString(16)}\r\n`);
        client.putBytes(bytes, from, to);
        client.put('\r\n');
        return Parse.more;
      case Relay.rest:
        return this.#relayRest(client, bytes, from, to);
      default:
        return this.#relayChunks(client, bytes, from, to);
    }
  }

  #relayChunks(client: BodyReader, bytes: Buffer, from: number, to: number): number {
    const decoder = this.#decoder!;
    const result = decoder.feed(bytes, from, to);
    if (result === Parse.bad) return this.#bad(decoder.problem);
    for (let i = 0; i < decoder.count; i++) {
      const before = decoder.before[i]!;
      if (before !== '') client.put(before);
      if (decoder.end[i]! > decoder.start[i]!) client.putBytes(bytes, decoder.start[i]!, decoder.end[i]!);
    }
    if (result !== Parse.done) return result;
    const lines = trailerLines(decoder.trailers, MAX_FIELDS);
    if (lines === null) return this.#bad(BAD_TRAILERS);
    if (this.#relay === Relay.wire) client.put(lines === '' ? LAST_CHUNK : `0\r\n${lines}\r\n`);
    this.stop = decoder.stop;
    return result;
  }

  /** Of a chunked body that takes the place of one with a length. */
  #relayRest(client: BodyReader, bytes: Buffer, from: number, to: number): number {
    const decoder = this.#decoder!;
    const result = decoder.feed(bytes, from, to);
    if (result === Parse.bad) return this.#bad(decoder.problem);
    for (let i = 0; i < decoder.count; i++) {
      const start = decoder.start[i]!;
      const take = Math.min(this.#left, decoder.end[i]! - start);
      this.#left -= take;
      if (take > 0) client.putBytes(bytes, start, start + take);
    }
    if (this.#left > 0) return result === Parse.done ? this.#bad('fewer bytes than its Content-Range has') : result;
    // Where the last chunk has not come, something is behind what was asked for.
    this.stop = result === Parse.done ? decoder.stop : -1;
    return Parse.done;
  }

  /** The connection has ended, and with it the body. */
  finish(client: BodyReader): void {
    if (this.#relay === Relay.rechunked) client.put(LAST_CHUNK);
  }

  #bad(problem: string): number {
    this.problem = problem;
    return Parse.bad;
  }
}
