import type { ListenerConfig } from '../../config/schema.ts';
import type { Logger } from '../../logging/logger.ts';
import type { TimerWheel } from '../../timing/timer-wheel.ts';
import type { ClientConnection } from '../client-connection.ts';
import type { ConnectionEnds } from '../connection-ends.ts';
import type { VirtualConnection } from './virtual-connection.ts';

/** The listener that accepted a connection, as HTTP/2 needs it. */
export interface FrontListener {
  /** As the latest configuration has it. */
  readonly config: ListenerConfig;
  /** The connection has closed. @param peer as it was handed in */
  closed(connection: ClientConnection, peer: string): void;
}

/** What is known of a connection when it is handed over. */
export interface FrontClient<L extends FrontListener = FrontListener> {
  readonly listener: L;
  /** Address of the other end as text, by the PROXY protocol where that is in use. */
  readonly peer: string;
  /** The connection is TLS. */
  readonly secure: boolean;
  /** Absent: the connection itself knows them. */
  readonly ends?: ConnectionEnds;
  /** Of a connection that is TLS: what its client has shown. */
  readonly certificate?: { readonly identity: string };
}

/** What HTTP/2 towards clients is made with. */
export interface FrontParts<L extends FrontListener = FrontListener> {
  readonly wheel: TimerWheel;
  readonly log: Logger;
  /** Serves a virtual connection as if a client had opened it; called before its first byte is there. */
  serve(connection: VirtualConnection, client: FrontClient<L>): ClientConnection;
}
