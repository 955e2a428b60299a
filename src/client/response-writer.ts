import type { ByteSocket } from '../sockets/byte-socket.ts';
import { TEXT_BYTES } from '../sockets/text-bytes.ts';

/**
 * Gathers what a client is sent and writes it in as few pieces as can be: text is joined, bytes that are small become
 * text, and a head that goes on as it came leaves with the body right behind it without having been copied. One per
 * connection.
 */
export class ResponseWriter {
  readonly #socket: ByteSocket;
  #text = '';
  /** What goes out instead of text, as it came: #raw[#rawStart, #rawEnd); null: nothing. */
  #raw: Buffer | null = null;
  #rawStart = 0;
  #rawEnd = 0;

  constructor(socket: ByteSocket) {
    this.#socket = socket;
  }

  /** Bytes of text that wait for the next flush. */
  get waiting(): number {
    return this.#text.length;
  }

  /** Adds text; it leaves with the next flush. */
  put(text: string): void {
    if (this.#raw !== null) this.#readRaw();
    this.#text = this.#text === '' ? text : this.#text + text;
  }

  /** Adds the head of a response as it came, which is bytes[start, end). They have to be there until the next flush. */
  putHead(bytes: Buffer, start: number, end: number): void {
    if (this.#text !== '' || this.#raw !== null) return this.put(bytes.latin1Slice(start, end));
    this.#raw = bytes;
    this.#rawStart = start;
    this.#rawEnd = end;
  }

  /** Adds bytes[start, end). They have to be there until the next flush. */
  putBytes(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.#raw !== null) {
      // A body right behind its head: both leave in one piece.
      if (bytes === this.#raw && start === this.#rawEnd && end - this.#rawStart <= TEXT_BYTES) {
        this.#rawEnd = end;
        return;
      }
      this.#readRaw();
    }
    const text = this.#text;
    if (text.length + size <= TEXT_BYTES) {
      this.#text = text + bytes.latin1Slice(start, end);
      return;
    }
    this.#text = '';
    this.#socket.writeCopy(bytes, start, end, text);
  }

  /** What was put as it came becomes text. */
  #readRaw(): void {
    this.#text = this.#raw!.latin1Slice(this.#rawStart, this.#rawEnd);
    this.#raw = null;
  }

  /** Writes what has been put. False: the client reads slowly. */
  flush(): boolean {
    const socket = this.#socket;
    if (this.#raw !== null) {
      const raw = this.#raw;
      this.#raw = null;
      socket.writeCopy(raw, this.#rawStart, this.#rawEnd);
    }
    if (this.#text !== '') {
      socket.write(this.#text, 'latin1');
      this.#text = '';
    }
    // `write` says false for a large chunk even when the kernel took all of it; the length does not lie.
    return socket.writableLength < socket.writableHighWaterMark;
  }

  /** Drops what has been put and not been written. */
  discard(): void {
    this.#text = '';
    this.#raw = null;
  }
}
