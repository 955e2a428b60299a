/**
 * Finds the end of a request's body, by Content-Length or chunked (RFC 9112, sections 6 and 7), and keeps nothing of
 * it.
 */
export class BodySkipper {
  readonly #chunked: boolean;
  /** Bytes of the body, or of the chunk with its line end, that are still to come. */
  #left: number;
  #line = '';
  #last = false;
  done = false;

  /** `head`: the lines of the request up to and with the last line end. A head without either has no body. */
  constructor(head: string) {
    this.#chunked = /\r\ntransfer-encoding: *chunked\r\n/i.test(head);
    this.#left = this.#chunked ? 0 : Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1] ?? 0);
    this.done = !this.#chunked && this.#left === 0;
  }

  /** Takes the next bytes and returns those behind the body's end; `done` says whether it has come. */
  skip(bytes: Buffer): Buffer {
    let at = 0;
    while (!this.done && at < bytes.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        at += taken;
        this.done = this.#left === 0 && !this.#chunked;
        continue;
      }
      const end = bytes.indexOf(10, at);
      this.#line += bytes.latin1Slice(at, end < 0 ? bytes.length : end);
      at = end < 0 ? bytes.length : end + 1;
      if (end >= 0) this.#endLine();
    }
    return bytes.subarray(at);
  }

  #endLine(): void {
    const line = this.#line.trim();
    this.#line = '';
    if (this.#last) {
      // Trailers, up to the empty line.
      this.done = line === '';
      return;
    }
    const size = Number.parseInt(line, 16);
    this.#last = size === 0;
    this.#left = size === 0 ? 0 : size + 2;
  }
}
