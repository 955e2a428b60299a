import type { BackendLife } from './backend-life.ts';

/**
 * One server of a pool, as the data path sees it. Read-only: what changes while it runs lives in SharedState at `slot`.
 */
export interface Backend {
  readonly id: string;
  /** Name of its pool. */
  readonly pool: string;
  readonly poolIndex: number;
  /** Index into SharedState. */
  readonly slot: number;
  /**
   * How often the slot has been given out (1..65535): where the stamps of its lives begin, see BackendLife (behaviour
   * 12).
   */
  readonly generation: number;
  /** Which life of it this is: a view of SharedState. */
  readonly life: BackendLife;
  /**
   * When its id came back after it had been gone, ms since epoch; 0: it was never gone. A cookie from before names
   * another life of it.
   */
  readonly since: number;
  /** It is in the configuration no more: it serves the sessions it has until the last one has ended. */
  readonly departing: boolean;
  /** Name or address, and port; '' and 0 with a unix socket. */
  readonly host: string;
  readonly port: number;
  /** Path of its unix socket; null: it has an address. */
  readonly socketPath: string | null;
  /** It is spoken to over TLS. */
  readonly secure: boolean;
  /** `host:port` as a Host header has it; `localhost` with a unix socket. */
  readonly authority: string;
  readonly url: string;
  readonly backup: boolean;
  /** Requests in flight allowed at once; 0: no limit. */
  readonly maxRequests: number;
  /** Where its sessions go when it dies, in the order of the configuration. */
  readonly replicas: readonly Backend[];
  /** 32-bit hash of `pool/id`, for rendezvous hashing: the same on every node. */
  readonly hash: number;
}
