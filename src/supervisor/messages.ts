import type { SharedStateMemory } from '../backends/shared-layout.ts';
import type { BearerCheck } from '../keys/bearer-token.ts';
import type { MemoryPressureMemory } from '../limits/memory-pressure.ts';
import type { RateTableMemory } from '../limits/rate-table.ts';
import type { ConnectionLimitsMemory } from '../listeners/connection-limits.ts';
import type { EventBatch } from '../logging/numbered-event.ts';
import type { CountersMemory } from '../metrics/counters-memory.ts';
import type { LabelledCount } from '../metrics/labelled-counters.ts';
import type { RunningModel } from '../model/running-model.ts';
import type { SharedStore } from '../sessions/store/shared-store.ts';
import type { SharedChainsMemory } from '../sessions/table/shared-chains.ts';
import type { SessionTableMemory } from '../sessions/table/table-memory.ts';
import type { User } from '../sessions/users/user-hash.ts';
import type { EngineChoice } from '../sockets/choose-engine.ts';
import type { SpanBatch } from '../tracing/span-buffer.ts';
import type { TurnsMemory } from '../turns/turns-memory.ts';
import type { HeartbeatsMemory } from './heartbeats.ts';

/** Ports that the listeners of a model listen on, by their keys (see `listenerKeys`). */
export type Ports = ReadonlyMap<string, number>;

/** What a worker is started with. */
export interface WorkerStart {
  readonly index: number;
  readonly model: RunningModel;
  /** Ports that are known; where one is missing, as configured (the first worker to come up finds out). */
  readonly ports: Ports;
  readonly state: SharedStateMemory;
  readonly table: SessionTableMemory;
  /** Null with `sessions.store: memory`. */
  readonly store: SharedStore | null;
  readonly counters: CountersMemory;
  readonly limits: ConnectionLimitsMemory;
  readonly pressure: MemoryPressureMemory;
  /** Of EventSequence: the supervisor is thread 0, worker n is thread n + 1. */
  readonly eventSequence: SharedArrayBuffer;
  readonly rates: RateTableMemory;
  /** Who has the turn of a session, and who waits for it. */
  readonly dialog: TurnsMemory;
  /** Which sessions each user has: see UserIndex. */
  readonly users: SharedChainsMemory;
  readonly heartbeats: HeartbeatsMemory;
  /** The admin token, for requests that ask what is decided; null: there is none. */
  readonly token: BearerCheck | null;
  /** The limpet that runs on the same addresses is replaced: its unix sockets are taken. */
  readonly takesOver: boolean;
  /** See `ticket-keys`. */
  readonly ticketKeys: Uint8Array;
}

/** From the supervisor to a worker. */
export type ToWorker =
  /** A backend was taken out: requests that wait for it go elsewhere. */
  | { readonly kind: 'down'; readonly slot: number }
  /** Close what is kept of the connections to the backend of this slot for nothing but its end. */
  | { readonly kind: 'let-go'; readonly slot: number }
  /** Another model: make everything ready for it, and change nothing yet. */
  | { readonly kind: 'prepare'; readonly model: RunningModel; readonly ports: Ports }
  /** All workers are ready for it: go by it from here on. */
  | { readonly kind: 'commit'; readonly serial: number }
  /** One was not: forget it. */
  | { readonly kind: 'abort'; readonly serial: number }
  /**
   * TLS tickets are sealed with these 48 bytes from here on, in all workers, so that whichever gets the next connection
   * can open them.
   */
  | { readonly kind: 'ticket-keys'; readonly keys: Uint8Array }
  /** Graceful stop: finish what is under way, for so many ms at most. */
  | { readonly kind: 'stop'; readonly graceMs: number }
  /** The time for that is over. */
  | { readonly kind: 'stop-now' };

/** From a worker to the supervisor. */
export type FromWorker =
  | { readonly kind: 'listening'; readonly ports: Ports; readonly sockets: EngineChoice; readonly tid: number }
  /** It cannot start, for a reason that the operator can remove. */
  | { readonly kind: 'failed'; readonly message: string }
  /**
   * The backend of this slot refuses connections and none stands, which the nodes that share the sessions have to agree
   * about before it ends this life of it.
   */
  | { readonly kind: 'refuses'; readonly slot: number; readonly life: number }
  /** The last connection to the backend of this slot has ended by itself: look whether it takes new ones. */
  | { readonly kind: 'last-lost'; readonly slot: number }
  /** Another connection to it is open: whoever keeps one for nothing but its end is to let it go. */
  | { readonly kind: 'relieved'; readonly slot: number }
  | { readonly kind: 'prepared'; readonly serial: number; readonly ports: Ports }
  | { readonly kind: 'refused'; readonly serial: number; readonly message: string }
  | { readonly kind: 'committed'; readonly serial: number }
  /** What has gathered since the last batch, every 100 ms at most; nothing crosses threads per request. */
  | {
      readonly kind: 'batch';
      readonly log: string;
      readonly labelled: readonly LabelledCount[];
      /** Users that it met for the first time. */
      readonly users: readonly User[];
      /** Null: nothing happened, or the audit log is off. */
      readonly events: EventBatch | null;
      /** Null: no request that is traced has ended. */
      readonly spans: SpanBatch | null;
    }
  /** All connections are closed after a stop. */
  | { readonly kind: 'stopped' };
