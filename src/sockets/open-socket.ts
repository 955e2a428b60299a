import { connect } from 'node:net';
import type { ByteSocket, OpeningEvents } from './byte-socket.ts';
import { DirectSocket } from './direct-socket.ts';
import { NodeSocket } from './node-socket.ts';
import { tcpKeepAlive } from './tcp-keep-alive.ts';

/**
 * Opens a TCP connection or a unix socket to a backend.
 * @param preamble goes out before anything else, as latin1 text; '': nothing does
 * @param keepAliveMs see `tcpKeepAlive`
 * @returns what can be destroyed until it is open: `events.onOpen` brings the connection itself
 */
export function openSocket(
  address: { readonly host: string; readonly port: number } | { readonly path: string },
  preamble: string,
  events: OpeningEvents,
  keepAliveMs = 0,
): NodeSocket {
  const socket = connect({ ...address, noDelay: true, allowHalfOpen: true, ...tcpKeepAlive(keepAliveMs) });
  const opening = new NodeSocket(socket, events);
  let why: NodeJS.ErrnoException | null = null;
  let open = false;
  socket.on('error', (error) => {
    why = error;
  });
  socket.on('close', () => {
    if (!open) events.onClose(why);
  });
  socket.on('connect', () => {
    open = true;
    const direct = DirectSocket.over(socket, events);
    if (direct === null) opening.watch();
    else direct.first = true;
    const opened: ByteSocket = direct ?? opening;
    if (preamble !== '') opened.write(preamble, 'latin1');
    opened.resume();
    events.onOpen(opened);
  });
  return opening;
}
