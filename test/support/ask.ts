import { type Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: Buffer | string;
  /** Shares its connections; absent: a connection of its own. */
  readonly agent?: Agent;
  /** Where its connection comes from, such as 127.0.0.2. */
  readonly localAddress?: string;
}

/** A whole answer. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Value of X-Backend; '' when limpet answered itself. */
  readonly backend: string;
  /** Value of Limpet-Error; '' when the backend answered. */
  readonly code: string;
  /** `NAME=VALUE` of the first Set-Cookie line; '' when there is none. */
  readonly cookie: string;
}

/** Sends a request and settles with the whole answer; rejects when the connection breaks first. */
export function ask(url: string, options: AskOptions = {}): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const { method = 'GET', headers = {}, body, agent, localAddress } = options;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const from = localAddress === undefined ? {} : { localAddress };
  const sent = { method, headers: { ...length, ...headers }, agent: agent ?? false, ...from };
  const outgoing = request(url, sent, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(chunks).toString('latin1'),
        backend: String(response.headers['x-backend'] ?? ''),
        code: String(response.headers['limpet-error'] ?? ''),
        cookie: response.headers['set-cookie']?.[0]?.split(';')[0] ?? '',
      }),
    );
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}
