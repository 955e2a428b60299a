import type { EventEmitter } from 'node:events';
import type { ByteSocket, SocketEvents } from './byte-socket.ts';

/** Has the events of a Duplex, or of what is made to look like one, told to `events`. Reading is left to whoever calls this. */
export function tellEnds(socket: EventEmitter, events: SocketEvents): void {
  let why: NodeJS.ErrnoException | null = null;
  socket.on('end', () => events.onEnd());
  socket.on('drain', () => events.onDrain());
  socket.on('error', (error: NodeJS.ErrnoException) => {
    why = error;
  });
  socket.on('close', (hadError = false) => events.onClose(why ?? (hadError === true ? RESET : null)));
}

/** The other side has broken it off, and nobody has said more. */
const RESET: NodeJS.ErrnoException = Object.assign(new Error('reset by the other side'), { code: 'ECONNRESET' });

/** The same, with what it reads. Reading begins with `resume`. */
export function tellAll(socket: EventEmitter & ByteSocket, events: SocketEvents): void {
  socket.pause();
  socket.on('data', (bytes: Buffer) => {
    if (!events.onBytes(bytes.length, bytes)) socket.pause();
  });
  tellEnds(socket, events);
}
