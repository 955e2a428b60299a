import type { ClientSide } from '../exchange/client-side.ts';
import type { ByteSocket } from '../sockets/byte-socket.ts';
import { TEXT_BYTES } from '../sockets/text-bytes.ts';

/** What is sent: an exchange, as far as its body goes. */
export interface SentRequest {
  readonly client: Pick<ClientSide, 'readBody' | 'holdBody'>;
  readonly pool: { readonly config: { readonly retry: { readonly bodyBuffer: number } } } | null;
  /** In the form in which the body goes over the wire. */
  readonly body: Buffer[];
  readonly bodyBytes: number;
  readonly bodyDone: boolean;
  replayable: boolean;
  readonly expectsContinue: boolean;
  readonly continued: boolean;
}

/**
 * Sends requests to a backend: the head, what there is of the body, and the rest of it as it comes from the client, no
 * faster than the backend takes it. What has been sent stays in the exchange for another attempt, up to
 * `retry.bodyBuffer`. One per connection, reused.
 */
export class RequestSender {
  /** The head of the request that is next, or under way. */
  head = '';
  /** The head has been handed to the socket. */
  begun = false;
  /** The body waits for 100 Continue, as the client does, or until nobody waits for that any more. */
  awaitsContinue = false;
  /** Nothing of the request has been sent: its first and only write was refused whole. */
  refused = false;
  /** Number of pieces of the exchange's body that have been written. */
  #pieces = 0;
  /** All that has been sent of the request left in one small write. */
  #onePiece = false;

  /** Another request is next. */
  reset(x: SentRequest, head: string): void {
    this.head = head;
    this.begun = false;
    this.#pieces = 0;
    // A client that has sent some of its body does not wait for a word.
    this.awaitsContinue = x.expectsContinue && !x.continued && x.body.length === 0;
  }

  /** Sends the head and what there is of the body. */
  begin(x: SentRequest, socket: ByteSocket): void {
    this.begun = true;
    const { head } = this;
    const { body } = x;
    this.head = '';
    if (body.length === 0 || this.awaitsContinue) {
      this.#onePiece = true;
      socket.write(head, 'latin1');
    } else if (body.length === 1 && body[0]!.length + head.length <= TEXT_BYTES) {
      this.#onePiece = true;
      this.#pieces = 1;
      socket.write(head + body[0]!.latin1Slice(), 'latin1');
      this.#forget(x);
    } else {
      this.#onePiece = false;
      socket.cork();
      socket.write(head, 'latin1');
      this.#writePieces(x, socket);
      socket.uncork();
    }
    // What waits for a word may come without one: then it goes on.
    if (this.awaitsContinue) x.client.readBody();
    else this.ask(x, socket);
  }

  /** Sends what has come of the body since the last time. */
  sendBody(x: SentRequest, socket: ByteSocket): void {
    this.awaitsContinue = false;
    this.#writePieces(x, socket);
    this.ask(x, socket);
  }

  /** Whether more of a body that is not kept can be handed to `sendCopy`. */
  takesCopies(x: SentRequest): boolean {
    return this.begun && !this.awaitsContinue && x.body.length === 0;
  }

  /** As `sendBody`, of bytes that are not in the exchange: only when `takesCopies`. */
  sendCopy(x: SentRequest, socket: ByteSocket, bytes: Buffer, from: number, end: number): void {
    this.#onePiece = false;
    if (end > from) socket.writeCopy(bytes, from, end);
    this.ask(x, socket);
  }

  /** Lets more of the body come when the backend takes it, and not otherwise. */
  ask(x: SentRequest, socket: ByteSocket): void {
    if (x.bodyDone) return;
    if (socket.writableLength >= socket.writableHighWaterMark) x.client.holdBody();
    else x.client.readBody();
  }

  /** The backend has taken all that it was sent. */
  drained(x: SentRequest): void {
    if (!x.bodyDone && this.begun && !this.awaitsContinue) x.client.readBody();
  }

  /** The request has been sent to its end. */
  isWhole(x: SentRequest): boolean {
    return x.bodyDone && this.#pieces === x.body.length;
  }

  /** A write has failed. @param whole of what was to be written the system has taken nothing */
  failed(whole: boolean): void {
    this.refused = whole && this.#onePiece;
  }

  #writePieces(x: SentRequest, socket: ByteSocket): void {
    const { body } = x;
    if (this.#pieces < body.length) this.#onePiece = false;
    while (this.#pieces < body.length) socket.write(body[this.#pieces++]!);
    this.#forget(x);
  }

  /** Drops the pieces that have been sent once the body is too large to be kept for a retry. */
  #forget(x: SentRequest): void {
    if (x.replayable && x.bodyBytes > x.pool!.config.retry.bodyBuffer) x.replayable = false;
    if (x.replayable) return;
    x.body.length = 0;
    this.#pieces = 0;
  }
}
