import { createServer } from 'node:net';

const TRIES = 100;

/**
 * A port of `host` that nobody listens on: the wanted one, else the next free one above it, else any. 0: any.
 * `taken` are ports given out already; the result is added to it. Somebody else can still be faster before it is used.
 */
export async function findFreePort(host: string, wanted: number, taken: Set<number>): Promise<number> {
  const last = wanted === 0 ? -1 : Math.min(wanted + TRIES, 65535);
  for (let port = wanted; port <= last; port++) {
    if (taken.has(port) || (await tryListen(host, port)) === null) continue;
    taken.add(port);
    return port;
  }
  const port = await tryListen(host, 0);
  if (port === null) throw new Error(`No port of ${host} can be listened on.`);
  taken.add(port);
  return port;
}

/** Listens for a moment; the port, or null when it cannot be had (taken, or not for this user). */
function tryListen(host: string, port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
