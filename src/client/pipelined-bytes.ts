/** Bytes kept while a request is under way; beyond it reading stops. */
const MOST_BYTES = 65_536;

/** What a client has sent of later requests, or of a tunnel, and has to wait for its turn. */
export class PipelinedBytes {
  #bytes: Buffer | null = null;

  get isEmpty(): boolean {
    return this.#bytes === null;
  }

  get size(): number {
    return this.#bytes?.length ?? 0;
  }

  /** Reading is to stop. */
  get isFull(): boolean {
    return this.size > MOST_BYTES;
  }

  /** Adds a copy of bytes[from, end). */
  add(bytes: Buffer, from: number, end: number): void {
    const rest = bytes.subarray(from, end);
    this.#bytes = this.#bytes === null ? Buffer.from(rest) : Buffer.concat([this.#bytes, rest]);
  }

  /** Takes all of it out; null: there is nothing. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    return bytes;
  }

  /** Drops all of it. */
  clear(): void {
    this.#bytes = null;
  }
}
