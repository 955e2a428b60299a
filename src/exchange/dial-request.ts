import type { Pool } from '../backends/pool.ts';
import type { ClientSide } from './client-side.ts';
import type { OwnedConnections } from './owned-connections.ts';

/** What connections to a backend, and those who open them, look at of an exchange. */
export interface DialRequest {
  readonly client: Pick<ClientSide, 'address' | 'port' | 'localAddress' | 'localPort' | 'tlsIdentity'>;
  readonly pool: Pool | null;
  /** Name of the protocol the client wants to switch to; '' when none. */
  readonly upgrade: string;
  /** It brings a proof of who is at the other end of its connection. */
  readonly personal: boolean;
  readonly attemptStartedAt: number;
  /** Where there are connections that belong to this client's connection alone; null: nowhere. */
  owned: readonly OwnedConnections<DialRequest>[] | null;
}
