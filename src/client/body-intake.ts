import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { type Head, Parse } from '../http1/head.ts';
import type { Timed, TimerWheel } from '../timing/timer-wheel.ts';
import type { ClientSocket } from './client-socket.ts';
import type { ConnectionOwner } from './connection-owner.ts';
import { LeastRate } from './least-rate.ts';
import { RequestBody } from './request-body.ts';

/** What is kept in any case of a body for which there is no backend yet; beyond it reading stops. */
const EARLY_BYTES = 65_536;
/** What is read and dropped of an upload whose answer has been given (behaviour 57). */
const DROPPED_BYTES = 262_144;

/**
 * Takes in the bodies of the requests of a connection: into the exchange, or right on to the backend once they are not
 * kept any more. Reads no faster than the backend takes them, and sees to it that they come fast enough. One per
 * connection.
 */
export class BodyIntake {
  /** Why a body is refused: the client's doing. */
  refusal: ErrorKind = ERRORS.BAD_REQUEST;
  problem = '';
  /** Bytes that were read only to drop them. */
  #dropped = 0;
  readonly #connection: Timed;
  readonly #exchange: Exchange;
  readonly #socket: ClientSocket;
  readonly #wheel: TimerWheel;
  readonly #listener: ConnectionOwner;
  readonly #body = new RequestBody();
  /** There is a backend that takes the body. */
  #asked = false;
  /** What the deadline of the connection was set with, ms; 0: there is none. */
  #awaitedMs = 0;
  /** Of bodies that come in more than one read; null: there has been none. */
  #rate: LeastRate | null = null;

  /** @param connection whose deadline is that of its body while one is waited for */
  constructor(
    connection: Timed,
    exchange: Exchange,
    socket: ClientSocket,
    wheel: TimerWheel,
    listener: ConnectionOwner,
  ) {
    this.#connection = connection;
    this.#exchange = exchange;
    this.#socket = socket;
    this.#wheel = wheel;
    this.#listener = listener;
  }

  /** A request with a body has come. */
  begin(head: Head): void {
    const { headerBytes, headers } = this.#listener.config.limits;
    this.#exchange.bodyDone = false;
    this.#body.reset(head, headerBytes, headers);
    this.#asked = false;
    this.#dropped = 0;
    this.#rate?.reset();
  }

  /** More of the body has come. @returns the offset behind what bytes[0, size) has of it; -1: it is refused */
  take(bytes: Buffer, size: number): number {
    const x = this.#exchange;
    const { upstream } = x;
    // Bytes that are not sent again go right on.
    const passes = !x.replayable && !this.#body.openEnded && upstream?.takesCopies === true;
    const next = passes ? this.#count(bytes, size) : this.decode(bytes, 0, size);
    if (next < 0) return next;
    if (x.bodyDone) this.#wheel.clear(this.#connection);
    else if (!this.#comesOn(next)) return -1;
    if (passes) upstream.sendCopy(bytes, 0, next);
    else upstream?.sendBody();
    return next;
  }

  /**
   * Adds what bytes[from, end) has of the body to the exchange, in wire form. @returns the offset behind it; -1: it is
   * refused
   */
  decode(bytes: Buffer, from: number, end: number): number {
    const x = this.#exchange;
    const body = this.#body;
    const result = body.take(bytes, from, end);
    if (result === Parse.bad) return this.#refuse(ERRORS.BAD_REQUEST, body.problem);
    if (body.piece !== null) {
      x.bytesIn += body.piece.length;
      x.bodyBytes += body.piece.length;
      x.body.push(body.piece);
    }
    if (result === Parse.more) return end;
    x.bodyDone = true;
    return body.stop;
  }

  /** Counts what bytes[0, size) has of a body with a length. */
  #count(bytes: Buffer, size: number): number {
    const x = this.#exchange;
    x.bodyDone = this.#body.skip(bytes, 0, size) === Parse.done;
    const { stop } = this.#body;
    x.bytesIn += stop;
    x.bodyBytes += stop;
    return stop;
  }

  /**
   * Reads what has come only to drop it.
   * @returns the offset behind the body, or `size` when more is to come; -1: it is malformed, or too much
   */
  drop(bytes: Buffer, size: number): number {
    this.#dropped += size;
    if (this.#dropped > DROPPED_BYTES) return -1;
    const result = this.#body.skip(bytes, 0, size);
    if (result === Parse.bad) return -1;
    if (result === Parse.more) return size;
    this.#exchange.bodyDone = true;
    return this.#body.stop;
  }

  /** More of the body has come, and more is to come. False: it comes too slowly. */
  #comesOn(size: number): boolean {
    const x = this.#exchange;
    if (!this.#asked) {
      // As much as may be kept of it in any case.
      if (x.bodyBytes > Math.max(EARLY_BYTES, x.pool?.config.retry.bodyBuffer ?? 0)) this.#socket.pause();
      return true;
    }
    const { bodyRate } = this.#listener.config.timeouts;
    // Once the response has begun the client owes nothing: it may be one half of a conversation.
    if (!x.committed && !this.#rate!.moved(size, this.#wheel.now, bodyRate)) {
      this.#refuse(ERRORS.REQUEST_TIMEOUT, 'body under timeouts.bodyRate');
      return false;
    }
    this.wait();
    return true;
  }

  #refuse(refusal: ErrorKind, problem: string): -1 {
    this.refusal = refusal;
    this.problem = problem;
    return -1;
  }

  /** Lets the body come, or come again. */
  ask(): void {
    if (this.#exchange.bodyDone) return;
    this.#asked = true;
    this.wait();
    this.#socket.resume();
  }

  /** Stops it from coming. */
  hold(): void {
    if (this.#exchange.bodyDone) return;
    this.#rate?.hold(this.#wheel.now);
    this.#wheel.clear(this.#connection);
    this.#socket.pause();
  }

  /** From here on the client owes the rest of its body. */
  wait(): void {
    (this.#rate ??= new LeastRate()).wait(this.#wheel.now);
    this.#awaitedMs = this.#silenceMs;
    this.#wheel.limit(this.#connection, this.#awaitedMs);
  }

  /** Nothing has come in the time for it. False: that time is over, and the body is refused. */
  mayBeSilent(): boolean {
    const limit = this.#silenceMs;
    const more = limit - this.#awaitedMs;
    if (more <= 0 && limit !== 0) {
      this.#refuse(ERRORS.REQUEST_TIMEOUT, 'body too slow');
      return false;
    }
    // The response has begun since the time for it was set.
    this.#awaitedMs = limit;
    this.#wheel.limit(this.#connection, Math.max(more, 0));
    return true;
  }

  /**
   * How long the client may be silent in the middle of its body. A body of unknown length whose response has begun is
   * one half of a conversation, such as a stream of gRPC: there silence is as good as in any other tunnel.
   */
  get #silenceMs(): number {
    const { pool, committed } = this.#exchange;
    return committed && pool !== null && this.#body.openEnded
      ? pool.config.timeouts.tunnel
      : this.#listener.config.timeouts.body;
  }
}
