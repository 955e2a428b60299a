import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { ConfigError } from '../config/config-error.ts';
import type { ConfigChange } from '../config/diff.ts';
import type { Restarts } from '../health/restarts.ts';
import type { Key } from '../keys/key.ts';
import type { MemoryView } from '../limits/memory-view.ts';
import type { RecentEnds } from '../logging/recent-ends.ts';
import type { SessionJournal } from '../logging/session-journal.ts';
import type { CountersMemory } from '../metrics/counters-memory.ts';
import type { LabelledTotals } from '../metrics/labelled-totals.ts';
import type { ExplainQuery, Explanation } from '../proxy/explain/explanation.ts';
import type { SharedSession } from '../sessions/store/shared-session.ts';
import type { StoreState } from '../sessions/store/store-state.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import type { UserNames } from '../sessions/users/user-names.ts';
import type { DeadTurns } from '../turns/dead-turns.ts';
import type { AdminChange } from './admin-change.ts';
import type { Phase } from './control-plane.ts';
import type { EventStream } from './events/event-stream.ts';
import type { Readiness } from './readiness.ts';
import type { ReloadOutcome } from './reloads.ts';

/** What another configuration would make of the pools. */
export type Preview =
  | { readonly pools: readonly Pool[]; readonly changes: readonly ConfigChange[] }
  | { readonly errors: readonly ConfigError[] };

/** The parts of a running limpet that the admin API looks at and changes. */
export interface LiveParts {
  readonly version: string;
  /** Ms since epoch. */
  readonly startedAt: number;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
  readonly phase: () => Phase;
  readonly readiness: Readiness;
  /** Bytes that the threads use, and may. Absent: nobody looks, as in tests without workers. */
  readonly memory?: () => MemoryView;
  /** The pools as they run now; a reload replaces them whole. */
  readonly pools: () => readonly Pool[];
  /** `pool/id` of the backends that discovery has found. Absent: there is no discovery. */
  readonly discovered?: () => ReadonlySet<string>;
  /** 1 at the start, one more with each reload. */
  readonly configGeneration: () => number;
  /**
   * In the order of the configuration. `address`: where it really listens, such as `http://127.0.0.1:8080`; `index`:
   * its place in the counters.
   */
  readonly listeners: () => readonly { readonly bind: string; readonly address: string; readonly index: number }[];
  readonly workers: {
    /** How many run right now. */
    readonly running: () => number;
    /** How many were started again. */
    readonly restarts: () => number;
    /** How connections are read in some worker: `system`, `node`. Absent: there are no workers, as in tests. */
    readonly engines?: () => readonly string[];
  };
  /** Turns of the requests of a session. Absent: there are none, as in tests without workers. */
  readonly turns?: DeadTurns;
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly users: UserNames;
  readonly counters: CountersMemory;
  readonly labelled: LabelledTotals;
  readonly restarts: Restarts;
  readonly events: EventStream;
  /** The last ends of sessions. Absent: none are kept, as in tests. */
  readonly ends?: RecentEnds;
  /** Takes events of sessions; absent: nothing does, as in tests. */
  readonly journal?: () => SessionJournal | null;
  /** Called after each change that was made, for the log. */
  readonly onAdminChange: (change: AdminChange) => void;
  /** Reads the configuration file again. Absent: there is no file, as with the demo. */
  readonly reload?: () => Promise<ReloadOutcome>;
  /**
   * Builds the pools of another configuration and changes nothing. A backend that stays has its slot and generation;
   * one that would be new has a slot that no other has, from 0. Absent: as with `reload`.
   */
  readonly preview?: (text: string) => Preview | Promise<Preview>;
  /** What a request would get, and why; a sentence: it cannot be a request. Changes nothing. */
  readonly explain: (query: ExplainQuery) => Promise<Explanation | string>;
  /** Absent: sessions are in this process's memory alone. */
  readonly store?: () => StoreState;
  /** Called after a session was ended here, for the other nodes; its key is refused until `until` (ms since epoch). */
  readonly onSessionEnded?: (key: Key, until: number) => void;
  /**
   * Called after a session was moved here, for the other nodes. `from` is null when its backend was not in the
   * configuration any more.
   */
  readonly onSessionMoved?: (key: Key, pool: Pool, from: Backend | null, to: Backend) => void;
  /** Asks the store for a session by its public id; null: it has none, or does not answer. Never rejects. */
  readonly lookup?: (publicId: string) => Promise<SharedSession | null>;
}
