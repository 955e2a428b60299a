import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { MemorySocket } from './memory-socket.ts';
import type { ReadMessage, ReadStream } from './message.ts';

/**
 * Node's HTTP server, without `insecureHTTPParser`, as a reader of requests: over connections in memory, answering
 * nothing.
 */
export class NodeRequests {
  readonly #server: Server;
  readonly #streams = new WeakMap<Duplex, ReadStream>();

  constructor() {
    this.#server = createServer({ maxHeaderSize: 1_000_000, insecureHTTPParser: false });
    this.#server.maxHeadersCount = 0;
    const take = (request: IncomingMessage, response: ServerResponse): void => this.#take(request, response);
    this.#server.on('request', take);
    this.#server.on('checkContinue', take);
    this.#server.on('checkExpectation', take);
    this.#server.on('clientError', (error: NodeJS.ErrnoException & { reason?: string }, socket) => {
      const stream = this.#streams.get(socket);
      // The connection stays: what came before the error is still on its way to its readers.
      if (stream !== undefined && stream.refused === '') stream.refused = error.reason ?? error.code ?? error.message;
    });
  }

  /** What Node makes of a stream of requests that comes in these pieces. */
  async read(pieces: readonly Buffer[]): Promise<ReadStream> {
    const socket = new MemorySocket();
    const stream: ReadStream = { messages: [], refused: '' };
    this.#streams.set(socket, stream);
    this.#server.emit('connection', socket);
    for (const piece of pieces) if (!socket.destroyed) socket.push(piece);
    // Twice: bytes go from the socket to the parser in one turn and from the message to its readers in the next.
    await setImmediate();
    await setImmediate();
    // Node answers a request without Host by itself.
    if (stream.refused === '' && socket.written !== '')
      stream.refused = socket.written.slice(0, socket.written.indexOf('\r\n'));
    socket.destroy();
    return stream;
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const stream = this.#streams.get(request.socket)!;
    const message: ReadMessage = {
      start: `${request.method} ${request.url}`,
      version: request.httpVersion,
      fields: request.rawHeaders,
      keepAlive: response.shouldKeepAlive,
      body: '',
      trailers: [],
      complete: false,
    };
    stream.messages.push(message);
    request.on('data', (bytes: Buffer) => {
      message.body += bytes.latin1Slice();
    });
    request.on('end', () => {
      message.complete = request.complete;
      message.trailers = request.rawTrailers;
    });
    request.on('error', () => {});
  }
}
