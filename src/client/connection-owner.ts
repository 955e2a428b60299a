import type { ListenerConfig } from '../config/schema.ts';
import type { ClientConnection } from './client-connection.ts';
import type { TrustedProxies } from './trusted-proxies.ts';

/** What has accepted a connection of a client, as that connection sees it. */
export interface ConnectionOwner {
  /** As the latest configuration has it: looked at for each request. */
  readonly config: Pick<ListenerConfig, 'limits' | 'timeouts'>;
  readonly trusted: TrustedProxies;
  /** Connections close after their response. */
  readonly stopping: boolean;
  /** Its connections are streams of one that it has accepted. */
  readonly multiplexed: boolean;
  /** A request has come on an idle connection that a stop had just ended: its client has to send it again. */
  crossed(): void;
  /** The connection has closed. @param address its peer */
  closed(connection: ClientConnection, address: string): void;
}
