import { ERRORS, type ErrorKind } from '../errors.ts';
import { type Head, Parse } from '../http1/head.ts';
import type { Timed, TimerWheel } from '../timing/timer-wheel.ts';
import type { ConnectionOwner } from './connection-owner.ts';

/** Takes in the heads of the requests of a connection: sees to it that they are small enough and come fast enough. */
export class HeadIntake {
  /** Why a head is refused: the client's doing. */
  refusal: ErrorKind = ERRORS.BAD_REQUEST;
  problem = '';
  /** The beginning of a head has come, and the rest has not. */
  waits = false;
  readonly #connection: Timed;
  readonly #wheel: TimerWheel;
  readonly #listener: ConnectionOwner;

  /** @param connection whose deadline is that of a head while the rest of one is waited for */
  constructor(connection: Timed, wheel: TimerWheel, listener: ConnectionOwner) {
    this.#connection = connection;
    this.#wheel = wheel;
    this.#listener = listener;
  }

  /** Parses the head at `from`. @returns Parse.done, Parse.more, or Parse.bad with `refusal` and `problem` */
  take(head: Head, bytes: Buffer, from: number, end: number): number {
    const { headerBytes } = this.#listener.config.limits;
    const result = head.parseRequest(bytes, from, Math.min(end, from + headerBytes));
    if (result === Parse.more && end - from < headerBytes) {
      // The clock runs from the first byte, not from the latest one: a byte now and then buys no time (behaviour 70).
      if (!this.waits) this.#wheel.set(this.#connection, this.#listener.config.timeouts.header);
      this.waits = true;
      return result;
    }
    this.waits = false;
    switch (result) {
      case Parse.done:
        this.#wheel.clear(this.#connection);
        return result;
      case Parse.more:
        // Empty lines in front count as part of the request line, whose end has not come either.
        this.refusal = head.fieldsStart === 0 ? ERRORS.URI_TOO_LONG : ERRORS.HEADERS_TOO_LARGE;
        this.problem = 'header block over the limit';
        break;
      case Parse.tooMany:
        this.refusal = ERRORS.HEADERS_TOO_LARGE;
        this.problem = 'too many header fields';
        break;
      default:
        this.refusal = ERRORS.BAD_REQUEST;
        this.problem = head.problem;
        break;
    }
    return Parse.bad;
  }
}
