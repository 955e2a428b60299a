import type { Attempt } from '../exchange/attempt.ts';
import type { AttemptEvents } from '../exchange/attempt-events.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type Head, Parse } from '../http1/head.ts';
import type { Timed } from '../timing/timer-wheel.ts';
import { ResponseBody } from './response-body.ts';

/** Response heads larger than this are BACKEND_PROTOCOL. */
const MAX_HEAD_BYTES = 262_144;
/** With 1xx responses a backend may have so many times `timeouts.response` for its final one. */
const INTERIM_TIMES = 20;

/** The connection that a response comes in on: Upstream. Its deadline is that of the backend's next word. */
export interface AnsweredConnection extends Timed, Attempt {
  readonly exchange: Exchange | null;
  /** The body of the request waits for 100 Continue. */
  readonly awaitsContinue: boolean;
  /** The body of the response is under way. */
  readonly inBody: boolean;
  /** A head has come, of whichever status. */
  heard(head: Head): void;
  /** The head of the final response has come. @param untilClose its body ends with the connection */
  answered(x: Exchange, head: Head, untilClose: boolean): void;
  /** The final response goes to the client from here on. */
  beginBody(): void;
  /** The backend has agreed to another protocol; bytes[from, end) are of that. False: the connection is given up. */
  switchProtocol(x: Exchange, head: Head, bytes: Buffer, from: number, end: number): boolean;
  /** The response is whole. @param clean nothing came behind it. @returns whether the connection is still open */
  complete(x: Exchange, clean: boolean): boolean;
  /** The response breaks the protocol: the attempt ends. Answers false. */
  malformed(problem: string): boolean;
}

/**
 * Reads the responses of a backend as they come in: 1xx responses, the final head, its body; and says what goes to
 * whom. What becomes of the connection is the connection's. One per connection, reused.
 */
export class ResponseReader {
  /** The body of the response that is under way. */
  readonly body = new ResponseBody();
  readonly #connection: AnsweredConnection;
  readonly #handler: AttemptEvents;
  /** Bytes of a response head that is not complete. */
  #held: Buffer | null = null;
  /** When the first 1xx response came; 0: none has. By `wheel.now`. */
  #interimSince = 0;

  constructor(connection: AnsweredConnection, handler: AttemptEvents) {
    this.#connection = connection;
    this.#handler = handler;
  }

  /** The response to another request is next. */
  reset(): void {
    this.#interimSince = 0;
  }

  /** Reads heads out of bytes[0, size), and what is behind them. False: the connection is of no use any more. */
  readHead(size: number, bytes: Buffer): boolean {
    const connection = this.#connection;
    let data = bytes;
    let end = size;
    if (this.#held !== null) {
      data = Buffer.concat([this.#held, bytes.subarray(0, size)]);
      end = data.length;
      this.#held = null;
    }
    let from = 0;
    for (;;) {
      const x = connection.exchange!;
      const head = this.#handler.responseHead();
      const result = head.parseResponse(data, from, end);
      if (result === Parse.more) {
        if (end - from > MAX_HEAD_BYTES) return connection.malformed('response head too large');
        this.#held = Buffer.from(data.subarray(from, end));
        // 1xx responses that came before it do not wait for the rest.
        return from === 0 || this.#flush(x);
      }
      if (result !== Parse.done)
        return connection.malformed(result === Parse.tooMany ? 'too many response headers' : head.problem);
      from += head.consumed;
      connection.heard(head);
      if (head.status >= 200) return this.#final(x, head, data, from, end);
      if (head.status === 101) return connection.switchProtocol(x, head, data, from, end);
      this.#interim(x, head);
      if (from === end) return this.#flush(x);
    }
  }

  /** A 1xx response: passed on in order, to HTTP/1.1 only (RFC 9110 15.2, behaviour 56). */
  #interim(x: Exchange, head: Head): void {
    const connection = this.#connection;
    const isContinue = head.status === 100;
    if (x.minor === 1 && !(isContinue && x.continued)) this.#handler.onInterim(x, head);
    if (isContinue) {
      x.continued = true;
      if (connection.awaitsContinue) connection.sendBody();
    }
    if (!connection.awaitsContinue) this.#awaitLonger(x);
  }

  /** The backend has said that it is at work: the time for its response begins anew, up to a bound. */
  #awaitLonger(x: Exchange): void {
    const { wheel } = this.#handler;
    const { response } = x.pool!.config.timeouts;
    if (this.#interimSince === 0) this.#interimSince = wheel.now;
    const left = this.#interimSince + INTERIM_TIMES * response - wheel.now;
    if (left > 0) wheel.set(this.#connection, Math.min(left, response));
  }

  #final(x: Exchange, head: Head, bytes: Buffer, from: number, end: number): boolean {
    const connection = this.#connection;
    const { body } = this;
    const framing = body.reset(head, x.method, x.client.chunks);
    connection.answered(x, head, body.isUntilClose);
    if (!body.beginsWell(bytes, from, end)) return connection.malformed(body.problem);
    if (!this.#handler.onResponse(x, connection, head, framing)) return false;
    connection.beginBody();
    if (body.isNone) {
      connection.complete(x, from === end);
      return true;
    }
    this.#handler.wheel.limit(connection, x.pool!.config.timeouts.idle);
    if (from < end && !this.#relay(x, bytes, from, end)) return false;
    return connection.inBody && connection.exchange === x ? this.#flush(x) : true;
  }

  /** Passes bytes[0, size) of the body on. False: the connection is of no use any more. */
  readBody(x: Exchange, size: number, bytes: Buffer): boolean {
    x.answeredAt = 0;
    this.#handler.wheel.limit(this.#connection, x.pool!.config.timeouts.idle);
    if (!this.#relay(x, bytes, 0, size)) return false;
    return this.#connection.inBody ? this.#flush(x) : true;
  }

  #relay(x: Exchange, bytes: Buffer, from: number, to: number): boolean {
    const { body } = this;
    const result = body.relay(x.client, bytes, from, to);
    if (result === Parse.more) return true;
    if (result === Parse.bad) return this.#connection.malformed(body.problem);
    return this.#connection.complete(x, body.stop === to);
  }

  #flush(x: Exchange): boolean {
    const flowing = x.client.flush();
    // While the client is slow, silence of the backend is not the backend's fault.
    if (!flowing) this.#handler.wheel.clear(this.#connection);
    return flowing;
  }
}
