import type { Server } from 'node:net';

interface WithHandle {
  readonly _handle: { setKeepAlive?(on: boolean, seconds: number): number } | null;
}

/**
 * As `tcpKeepAlive`, for connections that a listening server accepts from here on: they have what its own socket has,
 * which costs no call of the system for each. Unix sockets need none.
 */
export function keepAcceptedAlive(server: Server, ms: number): void {
  (server as unknown as WithHandle)._handle?.setKeepAlive?.(ms > 0, Math.max(1, Math.floor(ms / 1_000)));
}
