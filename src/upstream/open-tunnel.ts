import type { Exchange } from '../exchange/exchange.ts';
import type { ByteSocket } from '../sockets/byte-socket.ts';
import type { TimerWheel } from '../timing/timer-wheel.ts';
import { Tunnel, type TunnelEvents, type TunnelSide } from '../tunnel/tunnel.ts';
import { WebSocketTunnel } from '../websocket/websocket-tunnel.ts';

/** Time for what is still on its way to the backend after a tunnel, where `timeouts.idle` sets none. */
const LAST_BYTES_MS = 60_000;

/** The connection to a backend that becomes half of a tunnel. */
export interface TunnelOwner extends TunnelEvents {
  /** This half has closed. @param lost not in good order */
  onHalfClosed(lost: boolean): void;
}

/** Joins a client's connection with that to the backend, which has agreed to another protocol. */
export function openTunnel(
  x: Exchange,
  client: TunnelSide,
  socket: ByteSocket,
  owner: TunnelOwner,
  wheel: TimerWheel,
  isWebSocket: boolean,
): Tunnel {
  const { timeouts } = x.pool!.config;
  return new Tunnel({
    client,
    backend: {
      socket,
      lastMs: timeouts.idle || LAST_BYTES_MS,
      onClosed: (lost) => owner.onHalfClosed(lost),
    },
    wheel,
    idleMs: timeouts.tunnel,
    counts: x,
    websocket: isWebSocket ? new WebSocketTunnel() : null,
    events: owner,
  });
}
