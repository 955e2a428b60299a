import { type IncomingMessage, request } from 'node:http';
import { MemorySocket } from './memory-socket.ts';
import type { ReadMessage, ReadStream } from './message.ts';

/**
 * What Node's HTTP client, without `insecureHTTPParser`, makes of the answer to one request with `method`: bytes that
 * come in these pieces, then the end of the connection. The stream holds the 1xx responses and the final one; what
 * comes behind that is not looked at.
 */
export function readByNode(method: string, pieces: readonly Buffer[]): Promise<ReadStream> {
  const { promise, resolve } = Promise.withResolvers<ReadStream>();
  const stream: ReadStream = { messages: [], refused: '' };
  const socket = new MemorySocket();
  const client = request({
    method,
    host: 'a',
    createConnection: () => socket,
    maxHeaderSize: 1_000_000,
    insecureHTTPParser: false,
  });
  // An agent would take the connection back; without one Node asks for `Connection: close` and would not say what it
  // makes of keep-alive.
  client.shouldKeepAlive = true;
  client.maxHeadersCount = 0;
  client.on('information', (info) => {
    stream.messages.push({
      start: `${info.statusCode} ${info.statusMessage}`,
      version: info.httpVersion,
      fields: info.rawHeaders,
      keepAlive: true,
      body: '',
      trailers: [],
      complete: true,
    });
  });
  client.on('response', (response) => take(stream, response, client.shouldKeepAlive));
  client.on('upgrade', (response, _socket, rest) => {
    take(stream, response, true);
    stream.messages.at(-1)!.body = rest.latin1Slice();
    client.destroy();
  });
  client.on('error', (error: NodeJS.ErrnoException & { reason?: string }) => {
    if (stream.refused === '') stream.refused = error.reason ?? error.code ?? error.message;
  });
  client.on('close', () => resolve(stream));
  client.end();
  for (const piece of pieces) if (!socket.destroyed) socket.push(piece);
  if (!socket.destroyed) socket.push(null);
  return promise;
}

function take(stream: ReadStream, response: IncomingMessage, keepAlive: boolean): void {
  const message: ReadMessage = {
    start: `${response.statusCode} ${response.statusMessage}`,
    version: response.httpVersion,
    fields: response.rawHeaders,
    keepAlive,
    body: '',
    trailers: [],
    complete: false,
  };
  stream.messages.push(message);
  response.on('data', (bytes: Buffer) => {
    message.body += bytes.latin1Slice();
  });
  response.on('end', () => {
    message.complete = response.complete;
    message.trailers = response.rawTrailers;
  });
  response.on('error', () => {});
}
