import type { SharedStateMemory } from '../backends/shared-layout.ts';
import type { SlotAssignment } from '../backends/slots.ts';
import type { Config } from '../config/schema.ts';
import type { ConnectionLimitsMemory } from '../listeners/connection-limits.ts';
import type { CountersMemory } from '../metrics/counters-memory.ts';
import type { RareCount } from '../metrics/rare.ts';
import type { SessionTableMemory } from '../sessions/table-memory.ts';

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  readonly config: Config;
  readonly slots: ReadonlyMap<string, SlotAssignment>;
  readonly secrets: readonly Uint8Array[];
  /** Ports to listen on, by listener; null: as configured (the first worker to come up finds out). */
  readonly ports: readonly number[] | null;
  readonly state: SharedStateMemory;
  readonly table: SessionTableMemory;
  readonly counters: CountersMemory;
  readonly limits: ConnectionLimitsMemory;
}

/** From the supervisor to a worker. */
export type ToWorker =
  /** A backend was taken out: requests that wait for it go elsewhere. */
  | { readonly kind: 'down'; readonly slot: number }
  /** Graceful stop: finish what is under way. */
  | { readonly kind: 'stop' }
  /** The time for that is over. */
  | { readonly kind: 'stop-now' };

/** From a worker to the supervisor. */
export type FromWorker =
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  /** It cannot start, for a reason that the operator can remove. */
  | { readonly kind: 'failed'; readonly message: string }
  /** What has gathered since the last batch, every 100 ms at most; nothing crosses threads per request. */
  | { readonly kind: 'batch'; readonly log: string; readonly rare: readonly RareCount[] }
  /** All connections are closed after a stop. */
  | { readonly kind: 'stopped' };
