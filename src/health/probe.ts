import type { Backend } from '../backends/backend.ts';
import type { ActiveHealthConfig, PoolConfig } from '../config/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { Witness } from './witness.ts';

/**
 * What one probe found. `reason` is a few words for the log; `code` is null when the backend answered, only not as
 * expected, and INTERNAL when it was never asked, as this machine has nothing left to ask with.
 */
export type ProbeResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly code: ErrorCode | null };

/** Asks a backend once whether it is well. */
export interface Probe {
  /**
   * Settles within the configured timeout and never rejects; sooner, with a failure that nobody reads, when `signal` is
   * aborted. No connection is left behind but that which the witness takes.
   * @param witness is told what is seen; null: nobody wants to know
   */
  check(backend: Backend, signal: AbortSignal, witness?: Witness | null): Promise<ProbeResult>;
}

/** How the backends of a pool are spoken to: a probe speaks as traffic does. */
export type ProbedPool = Pick<PoolConfig, 'tls' | 'http2' | 'sendProxyProtocol'>;

/** @param pool configuration of the pool, with the name of it */
export type ProbeFactory = (config: ActiveHealthConfig, pool: ProbedPool, name: string) => Probe;
