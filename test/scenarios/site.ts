import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request to a site, read as a framework would. */
export interface Visit {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  readonly cookies: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
  readonly response: ServerResponse;
}

/** What a site answers: a page, or another address to go to after a form. */
export type Reply = { readonly status?: number; readonly html: string } | { readonly goTo: string };

/**
 * An application server for people: pages, forms, redirects. To be called by the script of a process (see AppProcess),
 * which has its id and port as arguments. `GET /healthz` answers 204.
 */
export function serveSite(answer: (visit: Visit, id: string) => Reply | Promise<Reply>): void {
  const [id = '', port = '0'] = process.argv.slice(2);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', async () => {
      if (request.url === '/healthz') return void response.writeHead(204).end();
      response.setHeader('X-Backend', id);
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://site');
      const visit: Visit = {
        method: request.method ?? '',
        path: pathname,
        query: searchParams,
        form: new URLSearchParams(Buffer.concat(chunks).toString()),
        cookies: readCookies(request.headers.cookie),
        headers: request.headers,
        response,
      };
      try {
        const reply = await answer(visit, id);
        if ('goTo' in reply) return void response.writeHead(303, { Location: reply.goTo }).end();
        response.setHeader('Content-Type', 'text/html; charset=utf-8');
        response.writeHead(reply.status ?? 200).end(`<!doctype html>${reply.html}`);
      } catch (error) {
        response.writeHead(500).end(String(error));
      }
    });
  });
  server.listen(Number(port), '127.0.0.1', () => {
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
  process.on('disconnect', () => process.exit());
}

function readCookies(line = ''): Map<string, string> {
  const pairs = line.split('; ').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return new Map(pairs.filter(([name]) => name !== ''));
}
