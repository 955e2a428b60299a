import { lstatSync, unlinkSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';

/**
 * Listens on a unix socket that only this user may open. A socket that nobody listens on was left by a process that was
 * killed: it is replaced. Rejects when the name is in use.
 */
export async function listenOnSocket(path: string, accept: (socket: Socket) => void): Promise<Server> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat !== undefined) {
    if (!stat.isSocket()) throw new Error(`${path} is there already and is not a socket: remove it`);
    const other = await connectTo(path);
    if (other !== null) {
      other.destroy();
      throw new Error(`another process listens on ${path}`);
    }
    unlinkSync(path);
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer(accept).once('error', reject).once('listening', resolve);
  // The name appears within this call: who may open it is decided before, not by a chmod after.
  const before = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(before);
  }
  await promise;
  server.off('error', reject);
  return server;
}

/** A connection to whoever listens there; null: nobody. Rejects when that cannot be told. */
export function connectTo(path: string): Promise<Socket | null> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket | null>();
  const socket = createConnection({ path });
  const failed = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
    else reject(error);
  };
  socket.once('error', failed);
  socket.once('connect', () => {
    socket.off('error', failed);
    resolve(socket);
  });
  return promise;
}
