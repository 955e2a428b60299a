import { threadSockets } from './thread-sockets.ts';

/**
 * Ends what `startSockets` has begun: connections that are still open are told nothing more, and later ones go through
 * libuv.
 */
export function stopSockets(): void {
  threadSockets.readiness?.close();
}
