import { fieldProblem, REQUEST_HEAD } from '../http1/strict-grammar.ts';
import { type BackendConnection, RawBackend } from '../support/raw-backend.ts';
import { readPlainChunks } from './plain-chunks.ts';

/**
 * A backend that takes every byte down to the letter: it says what among them is ambiguous or illegal ("dirty"), counts
 * the whole requests, and answers each with 200 and two bytes. It reads with a grammar of its own, not with limpet's
 * parser.
 */
export class RecordingOrigin {
  /** Whole requests since the last `reset`. */
  requests = 0;
  /** What was wrong with what came, since the last `reset`. */
  readonly dirty: string[] = [];
  /** What they asked for. */
  readonly paths: string[] = [];
  #backend!: RawBackend;
  /** How far each connection has been read. */
  readonly #read = new WeakMap<BackendConnection, number>();

  static async start(): Promise<RecordingOrigin> {
    const origin = new RecordingOrigin();
    origin.#backend = await RawBackend.start((connection) => origin.#take(connection));
    return origin;
  }

  get url(): string {
    return this.#backend.url;
  }

  reset(): void {
    this.requests = 0;
    this.dirty.length = 0;
    this.paths.length = 0;
  }

  stop(): Promise<void> {
    return this.#backend.stop();
  }

  #take(connection: BackendConnection): void {
    const { text } = connection;
    for (let at = this.#read.get(connection) ?? 0; at < text.length; ) {
      const end = text.indexOf('\r\n\r\n', at) + 4;
      if (end < 4) {
        // limpet sends heads whole.
        this.dirty.push(`a piece of a head: ${JSON.stringify(text.slice(at))}`);
        return;
      }
      const head = text.slice(at, end);
      if (!REQUEST_HEAD.test(head)) this.dirty.push(`malformed: ${JSON.stringify(head)}`);
      const problem = fieldProblem(head, 'request');
      if (problem !== '') this.dirty.push(`${problem}: ${JSON.stringify(head)}`);
      const stop = this.#bodyEnd(text, head, end);
      if (stop < 0) return;
      this.requests++;
      this.paths.push(head.split(' ', 2)[1]!);
      at = stop;
      this.#read.set(connection, at);
      connection.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${head.startsWith('HEAD ') ? '' : 'ok'}`);
    }
  }

  /** Offset behind the body that begins at `from`; -1: it is not whole. */
  #bodyEnd(text: string, head: string, from: number): number {
    const length = Number(/^content-length:[ \t]*(\d+)/im.exec(head)?.[1] ?? 0);
    if (!/^transfer-encoding:/im.test(head)) return text.length < from + length ? -1 : from + length;
    const { end, problem } = readPlainChunks(text, from);
    if (problem !== '') this.dirty.push(`${problem}: ${JSON.stringify(text.slice(from))}`);
    return end;
  }
}
