import { type Exchange, REQUEST_ID } from '../exchange/exchange.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/** A request id of a trusted proxy that is safe to show and to log. */
const SAFE_ID = /^[\w.:@+/=-]{1,128}$/;

/** Names requests: each has an id of its own, or the one that a trusted proxy has given it. */
export class RequestIds {
  readonly #prefix: string;
  #requests = 0;

  /** @param prefix random text that makes ids unique over workers and restarts */
  constructor(prefix: string) {
    this.#prefix = REQUEST_ID + prefix;
  }

  /** The `X-Request-Id` line of a request that has just come, without its CRLF. */
  line({ client }: Exchange): string {
    const { trustedRequestId } = client;
    return trustedRequestId === '' ? this.#prefix + (this.#requests++).toString(36) : REQUEST_ID + trustedRequestId;
  }

  /** The X-Request-Id that a trusted proxy sent, when it is one; '' otherwise. */
  static trusted(head: Head): string {
    const line = head.findId(HeaderId.xRequestId);
    return line >= 0 && SAFE_ID.test(head.value(line)) ? head.value(line) : '';
  }
}
