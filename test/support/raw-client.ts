import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client that sends bytes as they are and keeps what comes back, as latin1 text. */
export class RawClient {
  readonly socket: Socket;
  /** Everything received so far. */
  text = '';
  /** The other side has sent FIN. */
  ended = false;
  /** The connection is closed; `error` says how, when by an error such as ECONNRESET. */
  closed = false;
  error: NodeJS.ErrnoException | null = null;
  readonly #watchers = new Set<() => void>();

  private constructor(port: number, localAddress: string) {
    this.socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true, noDelay: true });
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
      this.#look();
    });
    this.socket.on('end', () => {
      this.ended = true;
      this.#look();
    });
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('close', () => {
      this.closed = true;
      this.#look();
    });
  }

  static async open(port: number, localAddress = '127.0.0.1'): Promise<RawClient> {
    const client = new RawClient(port, localAddress);
    await once(client.socket, 'connect');
    return client;
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }

  /** Settles with the text once it passes, or once the connection has closed; rejects after `ms`. */
  until(test: (text: string) => boolean, ms = 60_000): Promise<string> {
    return this.#wait(() => test(this.text) || this.closed, ms, 'the expected text');
  }

  /** Settles once the other side has ended or closed the connection. */
  end(ms = 60_000): Promise<string> {
    return this.#wait(() => this.ended || this.closed, ms, 'the end of the connection');
  }

  close(): void {
    this.socket.destroy();
  }

  #look(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #wait(done: () => boolean, ms: number, what: string): Promise<string> {
    if (done()) return Promise.resolve(this.text);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const timer = setTimeout(() => {
      this.#watchers.delete(look);
      reject(new Error(`waited ${ms} ms for ${what}; got ${JSON.stringify(this.text.slice(-2000))}`));
    }, ms);
    const look = (): void => {
      if (!done()) return;
      clearTimeout(timer);
      this.#watchers.delete(look);
      resolve(this.text);
    };
    this.#watchers.add(look);
    return promise;
  }
}

/**
 * Whether `text` holds a whole response with Content-Length or without a body; for chunked ones look for the last
 * chunk.
 */
export function isWhole(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head + 2));
  if (length !== null) return text.length >= head + 4 + Number(length[1]);
  if (/\r\ntransfer-encoding: *chunked/i.test(text.slice(0, head + 2))) return text.endsWith('0\r\n\r\n');
  return true;
}
