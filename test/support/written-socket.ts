import type { ByteSocket } from '../../src/sockets/byte-socket.ts';

/** A connection that takes everything and keeps it as latin1 text, or as much as a test says. */
export class WrittenSocket implements ByteSocket {
  readonly destroyed = false;
  readonly writableHighWaterMark = 65_536;
  /** What waits, as the test has it. */
  writableLength = 0;
  text = '';
  /** Number of writes; what is written between `cork` and `uncork` is one. */
  writes = 0;
  #corked = false;

  write(data: string | Buffer): void {
    if (!this.#corked) this.writes++;
    this.text += typeof data === 'string' ? data : data.latin1Slice();
  }

  writeCopy(bytes: Buffer, start: number, end: number, before = ''): void {
    this.write(before + bytes.latin1Slice(start, end));
  }

  cork(): void {
    this.#corked = true;
    this.writes++;
  }

  uncork(): void {
    this.#corked = false;
  }

  look(): boolean {
    return false;
  }

  handTo(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  destroySoon(): void {}
}
