const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Finds the ends of the answers on one connection: status line, headers with a Content-Length, body. No chunked coding,
 * which the benchmark's backends never send.
 */
export class AnswerReader {
  readonly #onAnswer: (status: number, head: string) => void;
  #head: Buffer | null = null;
  #status = 0;
  #text = '';
  #bodyLeft = 0;

  constructor(onAnswer: (status: number, head: string) => void) {
    this.#onAnswer = onAnswer;
  }

  /** Takes the next bytes, of which it keeps none; false when they are not an answer with a Content-Length. */
  push(chunk: Buffer): boolean {
    let bytes = this.#head === null ? chunk : Buffer.concat([this.#head, chunk]);
    this.#head = null;
    while (bytes.length > 0) {
      if (this.#bodyLeft === 0) {
        const end = bytes.indexOf(HEAD_END);
        if (end < 0) {
          this.#head = Buffer.from(bytes);
          return true;
        }
        const head = bytes.latin1Slice(0, end);
        const length = /\r\ncontent-length: *(\d+)/i.exec(head);
        if (!head.startsWith('HTTP/1.1 ') || length === null) return false;
        this.#status = Number(head.slice(9, 12));
        this.#text = head;
        this.#bodyLeft = Number(length[1]);
        bytes = bytes.subarray(end + HEAD_END.length);
      }
      const taken = Math.min(bytes.length, this.#bodyLeft);
      this.#bodyLeft -= taken;
      bytes = bytes.subarray(taken);
      if (this.#bodyLeft === 0) this.#onAnswer(this.#status, this.#text);
    }
    return true;
  }
}
