import { type IncomingHttpHeaders, request } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON, for assertions; throws when it is none. */
  json(): Record<string, unknown>;
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** A text goes out as it is, anything else as JSON with its Content-Type. */
  readonly body?: unknown;
}

/** One request on a connection of its own. `address` as AdminServer has it; `target` goes out as it is. */
export function call(address: string, method: string, target: string, options: CallOptions = {}): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const { body } = options;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = body === undefined || typeof body === 'string' ? {} : { 'Content-Type': 'application/json' };
  const where = address.startsWith('unix:') ? { socketPath: address.slice(5) } : urlParts(address);
  const outgoing = request(
    { ...where, method, path: target, headers: { ...type, ...options.headers }, agent: false },
    (response) => {
      let received = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (received += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: received,
          json: () => JSON.parse(received) as Record<string, unknown>,
        }),
      );
    },
  );
  outgoing.on('error', reject);
  outgoing.end(text);
  return promise;
}

function urlParts(address: string): { host: string; port: string } {
  const { hostname, port } = new URL(address);
  return { host: hostname.replace(/^\[|\]$/g, ''), port };
}
