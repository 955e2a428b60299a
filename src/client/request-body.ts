import { ChunkedDecoder } from '../http1/chunked.ts';
import { Framing, type Head, Parse } from '../http1/head.ts';
import { trailerLines } from '../upstream/trailers.ts';

/**
 * The body of a request as it comes in: finds its end and brings it into the form in which it goes to the backend. One
 * per connection, reused.
 */
export class RequestBody {
  /** What the last `take` found, in wire form (chunked framing checked and normalised); null: nothing yet. */
  piece: Buffer | null = null;
  /** Offset of the first byte behind the body, after Parse.done. */
  stop = 0;
  problem = '';

  #framing: Framing = Framing.none;
  #left = 0;
  #decoder: ChunkedDecoder | null = null;
  #maxFields = 0;

  /** It has no length that was said beforehand: it may be one half of a conversation. */
  get openEnded(): boolean {
    return this.#framing === Framing.chunked;
  }

  /** Begins the body of this request. @param maxTrailers bytes @param maxFields trailer lines */
  reset(head: Head, maxTrailers: number, maxFields: number): void {
    this.#framing = head.framing;
    this.#left = head.contentLength;
    this.#maxFields = maxFields;
    if (head.framing === Framing.chunked) {
      this.#decoder ??= new ChunkedDecoder();
      this.#decoder.reset(true, maxTrailers);
    }
  }

  /** Takes bytes[from, end); the piece is a copy. @returns Parse.more, Parse.done or Parse.bad, with `problem` */
  take(bytes: Buffer, from: number, end: number): number {
    this.piece = null;
    if (this.#framing !== Framing.length) return this.#takeChunks(bytes, from, end);
    const result = this.skip(bytes, from, end);
    this.piece = Buffer.from(bytes.subarray(from, this.stop));
    return result;
  }

  /** As `take`, for what is read only to be dropped. */
  skip(bytes: Buffer, from: number, end: number): number {
    if (this.#framing === Framing.length) {
      const size = Math.min(this.#left, end - from);
      this.#left -= size;
      this.stop = from + size;
      return this.#left === 0 ? Parse.done : Parse.more;
    }
    const result = this.#decoder!.feed(bytes, from, end);
    this.stop = this.#decoder!.stop;
    return result;
  }

  #takeChunks(bytes: Buffer, from: number, end: number): number {
    const decoder = this.#decoder!;
    const result = decoder.feed(bytes, from, end);
    if (result === Parse.bad) return this.#bad(decoder.problem);
    const pieces: Buffer[] = [];
    for (let i = 0; i < decoder.count; i++) {
      const before = decoder.before[i]!;
      if (before !== '') pieces.push(Buffer.from(before, 'latin1'));
      if (decoder.end[i]! > decoder.start[i]!) pieces.push(bytes.subarray(decoder.start[i]!, decoder.end[i]!));
    }
    if (result === Parse.done) {
      const lines = trailerLines(decoder.trailers, this.#maxFields);
      if (lines === null) return this.#bad('malformed trailer section');
      pieces.push(Buffer.from(`0\r\n${lines}\r\n`, 'latin1'));
      this.stop = decoder.stop;
    }
    if (pieces.length > 0) this.piece = Buffer.concat(pieces);
    return result;
  }

  #bad(problem: string): number {
    this.problem = problem;
    return Parse.bad;
  }
}
