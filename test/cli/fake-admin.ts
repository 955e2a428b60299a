import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What the fake admin API answers: a status and a document, or a body as it is. */
export interface Answer {
  readonly status?: number;
  readonly json?: unknown;
  readonly body?: string;
}

/** One request that came in: `METHOD /path`, its body and its token. */
export interface Seen {
  readonly line: string;
  readonly body: string;
  readonly authorization: string | undefined;
}

/** An HTTP server in place of limpet's admin API, on a free port or a unix socket. */
export async function startFakeAdmin(answer: (seen: Seen) => Answer, socketPath?: string) {
  const seen: Seen[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const line = `${request.method} ${request.url}`;
    const one = { line, body: await text(request), authorization: request.headers.authorization };
    seen.push(one);
    const { status = 200, json, body } = answer(one);
    response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' });
    response.end(body ?? (json === undefined ? '' : JSON.stringify(json)));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  if (socketPath === undefined) server.listen(0, '127.0.0.1', resolve);
  else server.listen(socketPath, resolve);
  await promise;
  return {
    seen,
    url: socketPath === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${socketPath}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
