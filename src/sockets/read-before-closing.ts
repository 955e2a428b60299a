import type { Socket } from 'node:net';
import type { SocketEvents } from './byte-socket.ts';

/**
 * As DirectSocket does by itself: after a write that has failed, what had come is read before the socket closes. Node
 * closes it at once, and what lies in the system, or encrypted in front of it, is lost.
 */
export function readBeforeClosing(socket: Socket, events: Pick<SocketEvents, 'onWriteFailed'>): void {
  const destroy = socket.destroy;
  let failed: Error | null = null;
  const finish = (): void => {
    destroy.call(socket, failed!);
  };
  // Libuv reads between two of these.
  const whenRead = (bytes: number): void => {
    setImmediate(() => {
      if (socket.destroyed) return;
      if (socket.isPaused()) socket.once('resume', () => whenRead(-1));
      else if (socket.bytesRead === bytes) finish();
      else whenRead(socket.bytesRead);
    });
  };
  socket.destroy = (error?: Error): Socket => {
    const ours = failed === null && (error as NodeJS.ErrnoException | undefined)?.syscall === 'write';
    if (!ours || socket.destroyed || socket.readableEnded || events.onWriteFailed?.(false) !== true) {
      return destroy.call(socket, failed ?? error);
    }
    failed = error!;
    whenRead(-1);
    return socket;
  };
}
