import type { Socket } from 'node:net';

/** Of the talk between two processes: another one is not understood. */
export const PROTOCOL = 1;

/**
 * How much of it this process understands; it says so with its first frame, and is told no more than the other one
 * understands. 1: limpet 0.1. 2: lives of backends.
 */
export const SPEAKS = 2;

/** What is said on the socket, new process (N) and old one (O). */
export const Frame = {
  /** N: JSON { protocol, speaks }. */
  HELLO: 1,
  /** O, and N before rows of its own: JSON WrittenDescription. */
  DESCRIPTION: 2,
  /** O: text: why there will be nothing. */
  REFUSED: 3,
  /** N: send the sessions. */
  WANTED: 4,
  /** Both: names that go on where the last ones ended: JSON { names, lives }, to limpet 0.1 the array of names. */
  NAMES: 5,
  /** Both: rows, see snapshot-record. */
  RECORDS: 6,
  /** O: the whole table has been sent; from here on come changes. */
  WHOLE: 7,
  /** N: the snapshot file and the socket's name are mine. */
  OWNER: 8,
  /** O: they are. */
  RELEASED: 9,
  /** N: stop gracefully. */
  TAKE_OVER: 10,
  /** O: that was all. */
  GOODBYE: 11,
  /**
   * Both, before rows that are bound to them: JSON array of KnownLife: all, then those that have changed. Not to limpet
   * 0.1.
   */
  LIVES: 12,
} as const;

/** One of the values of Frame. */
export type Frame = (typeof Frame)[keyof typeof Frame];

/** Type u8 and length of the payload u32, little-endian. */
const HEAD = 5;
const LONGEST = 16 * 1024 * 1024;

/** Writes a frame; the payload is copied. False: the socket is full, wait for `drain`. */
export function sendFrame(socket: Socket, type: Frame, payload: Uint8Array | string = ''): boolean {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const frame = Buffer.allocUnsafe(HEAD + bytes.byteLength);
  frame.writeUInt8(type, 0);
  frame.writeUInt32LE(bytes.byteLength, 1);
  frame.set(bytes, HEAD);
  return socket.write(frame);
}

/**
 * Calls `frame` for each frame that comes in on a socket; a frame that cannot be one destroys it with an error. An
 * error thrown by `frame` does so too.
 */
export function readFrames(socket: Socket, frame: (type: number, payload: Buffer) => void): void {
  let parts: Buffer[] = [];
  let waiting = 0;
  let needed = HEAD;
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    waiting += chunk.byteLength;
    if (waiting < needed) return;
    const bytes = parts.length === 1 ? chunk : Buffer.concat(parts, waiting);
    let at = 0;
    needed = HEAD;
    try {
      while (bytes.byteLength - at >= HEAD) {
        const length = bytes.readUInt32LE(at + 1);
        if (length > LONGEST) throw new Error(`a frame of ${length} bytes`);
        if (bytes.byteLength - at < HEAD + length) {
          needed = HEAD + length;
          break;
        }
        frame(bytes[at]!, bytes.subarray(at + HEAD, at + HEAD + length));
        at += HEAD + length;
        if (socket.destroyed) return;
      }
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    parts = at < bytes.byteLength ? [bytes.subarray(at)] : [];
    waiting = bytes.byteLength - at;
  });
}
