import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Types of frames (RFC 9113 6). */
export const Type = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A frame as it goes over the wire, right or wrong. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

/** A 32-bit number as a payload. */
export function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/**
 * A header list as HPACK literals that are not indexed (RFC 7541 6.2.2), for names and values under 127 + 2^14 bytes.
 */
export function literals(fields: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of fields) parts.push(Buffer.from([0]), text(name), text(value));
  return Buffer.concat(parts);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const { length } = bytes;
  if (length < 127) return Buffer.concat([Buffer.from([length]), bytes]);
  const size = [127];
  let rest = length - 127;
  for (; rest >= 128; rest >>= 7) size.push((rest & 127) | 128);
  size.push(rest);
  return Buffer.concat([Buffer.from(size), bytes]);
}

/** The header list of a plain request. */
export function request(
  path = '/',
  extra: readonly (readonly [string, string])[] = [],
  method = 'GET',
): readonly (readonly [string, string])[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'x.test'], ...extra];
}

/** The code in a GOAWAY. */
export function goawayCode({ payload }: Frame): number {
  return payload.readUInt32BE(4);
}

/** A client that sends frames of its own making and keeps those that come back. */
export class FrameClient {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  #rest: Buffer = Buffer.alloc(0);
  readonly #watchers = new Set<() => void>();

  private constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (bytes: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, bytes]);
      this.#take();
      this.#look();
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#look();
    });
  }

  /** Connects and sends the preface with empty SETTINGS. What the server says first is in `frames`. */
  static async open(port: number): Promise<FrameClient> {
    const client = new FrameClient(port);
    await once(client.socket, 'connect');
    client.socket.write(PREFACE);
    client.send(frame(Type.settings, 0, 0));
    await client.until((f) => f.type === Type.settings && f.flags === 0);
    client.send(frame(Type.settings, Flag.ack, 0));
    return client;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Sends a request without a body, or with one to come. */
  request(stream: number, fields = request(), flags: number = Flag.endHeaders | Flag.endStream): void {
    this.send(frame(Type.headers, flags, stream, literals(fields)));
  }

  /**
   * Settles with the first frame, past or future, that passes; with null when the connection has closed without one.
   */
  until(test: (frame: Frame) => boolean, ms = 20_000): Promise<Frame | null> {
    return this.#wait(() => {
      const found = this.frames.find(test);
      return found ?? (this.closed ? null : undefined);
    }, ms);
  }

  /** Settles with the GOAWAY, null when the connection closes without. */
  goaway(): Promise<Frame | null> {
    return this.until(({ type }) => type === Type.goaway);
  }

  /**
   * Settles with the RST_STREAM of a stream, or with a GOAWAY: a connection error is a stronger answer to the same (RFC
   * 9113 5.4).
   */
  refusal(stream: number): Promise<Frame | null> {
    return this.until((f) => f.type === Type.goaway || (f.type === Type.rstStream && f.stream === stream));
  }

  /** Settles with the last frame of a stream: END_STREAM or RST_STREAM. */
  ended(stream: number): Promise<Frame | null> {
    return this.until(
      (f) =>
        f.stream === stream &&
        (f.type === Type.rstStream || (f.type <= Type.headers && (f.flags & Flag.endStream) !== 0)),
    );
  }

  /**
   * Settles once everything sent so far has been dealt with: PING is answered in turn. False: the connection has
   * closed.
   */
  async alive(): Promise<boolean> {
    const mark = Buffer.alloc(8);
    mark.writeUInt32BE(this.#pings++);
    this.send(frame(Type.ping, 0, 0, mark));
    return (await this.until((f) => f.type === Type.ping && f.flags === Flag.ack && f.payload.equals(mark))) !== null;
  }
  #pings = 0xabcd;

  /** Settles once the connection has closed. */
  async end(): Promise<void> {
    await this.#wait(() => (this.closed ? true : undefined), 20_000);
  }

  close(): void {
    this.socket.destroy();
  }

  #take(): void {
    while (this.#rest.length >= 9) {
      const size = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + size) return;
      this.frames.push({
        type: this.#rest[3]!,
        flags: this.#rest[4]!,
        stream: this.#rest.readUInt32BE(5),
        payload: Buffer.from(this.#rest.subarray(9, 9 + size)),
      });
      this.#rest = this.#rest.subarray(9 + size);
    }
  }

  #look(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #wait<T>(done: () => T | undefined, ms: number): Promise<T> {
    const now = done();
    if (now !== undefined) return Promise.resolve(now);
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => {
      this.#watchers.delete(look);
      const seen = this.frames.map(({ type, flags, stream }) => `${type}/${flags}@${stream}`).join(' ');
      reject(new Error(`waited ${ms} ms for a frame; got ${seen}`));
    }, ms);
    const look = (): void => {
      const result = done();
      if (result === undefined) return;
      clearTimeout(timer);
      this.#watchers.delete(look);
      resolve(result);
    };
    this.#watchers.add(look);
    return promise;
  }
}
