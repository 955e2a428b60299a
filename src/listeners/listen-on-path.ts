import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { StartError } from '../errors-start.ts';

/** Owner and group may connect: give the group to the program in front. */
const MODE = 0o660;
/** The kernel's sockaddr_un holds 108 bytes with the final NUL. */
const LONGEST = 107;

/** The name of a unix socket that this process listens on. */
export interface BoundPath {
  /** Takes the name away, unless it belongs to another process by now. */
  remove(): void;
}

/**
 * Lets a server listen on a unix socket. It listens under another name first and is then renamed, which replaces what
 * is there in one step: whoever connects meanwhile gets the old one or the new one, never neither, and nobody before
 * the mode is set. A socket that nobody listens on was left by a process that was killed, and goes.
 * @param takesOver another process that listens there is to be replaced; otherwise that is an error
 * @throws StartError with what to do
 */
export async function listenOnPath(server: Server, path: string, takesOver: boolean): Promise<BoundPath> {
  const directory = dirname(path);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new StartError(`listeners: the folder of ${path} is not there: make it first`);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isSocket())
    throw new StartError(`listeners: ${path} is there already and is not a socket: remove it or choose another path`);
  if (there !== undefined && !takesOver && (await isInUse(path))) {
    throw new StartError(
      `listeners: another process listens on ${path}: stop it, or replace a limpet without losing a connection by start --take-over`,
    );
  }
  const first = join(directory, `.${randomBytes(3).toString('hex')}`);
  if (Buffer.byteLength(first) > LONGEST) throw new StartError(`listeners: ${path} is too long: use a shorter folder`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ path: first, backlog: 4_096 }, resolve);
  try {
    await promise;
    chmodSync(first, MODE);
    const { ino } = lstatSync(first);
    renameSync(first, path);
    return { remove: () => remove(path, ino) };
  } catch (cause) {
    server.close();
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'EACCES' || code === 'EPERM' ? 'no permission: let this user write in its folder' : message;
    throw new StartError(`listeners: cannot listen on ${path}: ${why}`, { cause });
  } finally {
    server.off('error', reject);
  }
}

function remove(path: string, ino: number): void {
  try {
    if (lstatSync(path).ino === ino) unlinkSync(path);
  } catch {
    // It is gone already.
  }
}

/** Anything but a refusal counts: a listener whose queue is full, or one that we may not ask. */
function isInUse(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ path });
  socket.on('connect', () => resolve(true));
  socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  return promise.finally(() => socket.destroy());
}
