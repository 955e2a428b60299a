import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

/** A server of a JSON Web Key Set on this machine, for one test. */
export interface JwksServer {
  readonly url: string;
  /** What it answers; null: nothing at all, the request hangs. */
  answer: { status: number; body: string } | null;
  /** Requests so far. */
  requests: number;
  /** Makes the address refuse connections. */
  close(): Promise<void>;
}

export async function jwksServer(t: TestContext, keys: readonly unknown[]): Promise<JwksServer> {
  const server = createServer((_, response) => {
    state.requests++;
    if (state.answer === null) return;
    response.writeHead(state.answer.status, { 'content-type': 'application/json' }).end(state.answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  t.after(close);
  const state: JwksServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    answer: { status: 200, body: JSON.stringify({ keys }) },
    requests: 0,
    close,
  };
  return state;
}
