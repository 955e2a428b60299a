import { lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { StartError } from '../errors-start.ts';

/**
 * Makes the path of a unix socket free: a socket that nobody listens on was left by a process that was killed, and
 * goes.
 * @param key what configured the path, for the message
 * @throws StartError when another process listens there, or when something else has the name
 */
export async function clearStaleSocket(path: string, key: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new StartError(`${key}: ${path} is there already and is not a socket: remove it or choose another path`);
  const code = await probe(path);
  if (code === null) throw new StartError(`${key}: another process listens on ${path}: stop it or choose another path`);
  if (code !== 'ECONNREFUSED')
    throw new StartError(`${key}: cannot tell whether ${path} is in use (${code}): remove it or choose another path`);
  unlinkSync(path);
}

/** Error code of a try to connect; null: somebody answered. */
function probe(path: string): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const socket = connect({ path });
  socket.on('connect', () => resolve(null));
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  return promise.finally(() => socket.destroy());
}
