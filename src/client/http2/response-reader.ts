import { ChunkedDecoder } from '../../http1/chunked.ts';
import { Framing, Head, Parse } from '../../http1/head.ts';

/** What a ResponseReader finds, in its order. */
export interface ResponseSink {
  /** A 1xx response other than 101. `head` is only there until this returns. */
  onInterim(head: Head): void;
  /** 101: what follows is no response any more. */
  onSwitch(head: Head): void;
  /** The final head. @param whole there is no body @param open trailers may come */
  onHead(head: Head, whole: boolean, open: boolean): void;
  /** A piece of the body; it may be kept. @param last the response ends with it, without trailers */
  onData(piece: Buffer, last: boolean): void;
  /**
   * The response has ended, after the last piece. @param trailers the section with its empty line, as the chunked
   * decoder has it
   */
  onTrailers(trailers: string): void;
  /** These bytes are no response. */
  onMalformed(problem: string): void;
}

const State = { head: 0, length: 1, chunked: 2, whole: 3, switched: 4 } as const;

/** Scratch, for as long as one call takes: limpet's own lines and those of a backend. */
const scratch = new Head(2_000);

/**
 * Reads one response from the bytes that are written to a client of HTTP/1.1, 1xx responses before it included. Reused.
 */
export class ResponseReader {
  readonly #sink: ResponseSink;
  #state: number = State.whole;
  #method = '';
  #held: Buffer | null = null;
  #left = 0;
  #decoder: ChunkedDecoder | null = null;

  constructor(sink: ResponseSink) {
    this.#sink = sink;
  }

  /** The response has come whole. */
  get done(): boolean {
    return this.#state === State.whole;
  }

  /** A final head has come, or a 101. */
  get begun(): boolean {
    return this.#state !== State.head;
  }

  /** Begins anew, with the response to a request of this method. */
  reset(method: string): void {
    this.#state = State.head;
    this.#method = method;
    this.#held = null;
  }

  /** Takes `bytes` in; pieces of the body are views of it. */
  feed(bytes: Buffer): void {
    let data = bytes;
    let from = 0;
    if (this.#state === State.head) {
      if (this.#held !== null) {
        data = Buffer.concat([this.#held, bytes]);
        this.#held = null;
      }
      from = this.#heads(data);
      if (from < 0) return;
    }
    if (from < data.length) this.#body(data, from);
  }

  /** Returns the offset behind the final head when something of its body follows; -1: nothing does. */
  #heads(data: Buffer): number {
    const sink = this.#sink;
    let from = 0;
    for (;;) {
      const head = scratch;
      const result = head.parseResponse(data, from, data.length);
      if (result === Parse.more) {
        if (from < data.length) this.#held = data.subarray(from);
        return -1;
      }
      if (result !== Parse.done) {
        this.#state = State.whole;
        sink.onMalformed(head.problem);
        return -1;
      }
      from += head.consumed;
      if (head.status === 101) {
        this.#state = State.switched;
        sink.onSwitch(head);
        return from;
      }
      if (head.status >= 200) return this.#final(head, data, from);
      sink.onInterim(head);
    }
  }

  #final(head: Head, data: Buffer, from: number): number {
    const sink = this.#sink;
    const framing = head.responseFraming(this.#method);
    if (framing === Framing.length) {
      this.#state = State.length;
      this.#left = head.contentLength;
      sink.onHead(head, false, false);
      return from;
    }
    if (framing !== Framing.chunked) {
      // Without a length there is nothing: Downstream sends no body that only the end of the connection ends.
      this.#state = State.whole;
      sink.onHead(head, true, false);
      return -1;
    }
    this.#state = State.chunked;
    this.#decoder ??= new ChunkedDecoder();
    this.#decoder.reset(false, Number.MAX_SAFE_INTEGER);
    // Short responses are here whole: then it is known now whether trailers come, and whether there is a body at all.
    const decoder = this.#decoder;
    const result = from < data.length ? decoder.feed(data, from, data.length) : Parse.more;
    const plain = result === Parse.done && decoder.trailers === '\r\n';
    const whole = plain && decoder.count === 0;
    sink.onHead(head, whole, !plain);
    if (whole) this.#state = State.whole;
    else if (from < data.length) this.#chunks(data, result);
    return -1;
  }

  #body(data: Buffer, from: number): void {
    switch (this.#state) {
      case State.length: {
        const end = Math.min(data.length, from + this.#left);
        this.#left -= end - from;
        if (this.#left === 0) this.#state = State.whole;
        this.#sink.onData(data.subarray(from, end), this.#left === 0);
        break;
      }
      case State.chunked:
        this.#chunks(data, this.#decoder!.feed(data, from, data.length));
        break;
      case State.switched:
        this.#sink.onData(data.subarray(from), false);
        break;
      default:
        break;
    }
  }

  /** Hands on what the decoder has found in `data`. */
  #chunks(data: Buffer, result: number): void {
    const sink = this.#sink;
    const decoder = this.#decoder!;
    if (result === Parse.bad) {
      this.#state = State.whole;
      return sink.onMalformed(decoder.problem);
    }
    const done = result === Parse.done;
    const plain = done && decoder.trailers === '\r\n';
    if (done) this.#state = State.whole;
    const { count } = decoder;
    for (let i = 0; i < count; i++) {
      sink.onData(data.subarray(decoder.start[i]!, decoder.end[i]!), plain && i === count - 1);
    }
    if (done && (!plain || count === 0)) sink.onTrailers(decoder.trailers);
  }
}
