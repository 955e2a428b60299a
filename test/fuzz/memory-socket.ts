import { Duplex } from 'node:stream';

/**
 * A connection that exists in memory only: what the test puts in is read by Node's HTTP parser, and what Node writes is
 * kept.
 */
export class MemorySocket extends Duplex {
  /** All that was written to it, as latin1 text. */
  written = '';

  override _read(): void {}

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    this.written += typeof chunk === 'string' ? Buffer.from(chunk, encoding).latin1Slice() : chunk.latin1Slice();
    done();
  }

  // What node:http asks of a socket.
  setTimeout(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}
