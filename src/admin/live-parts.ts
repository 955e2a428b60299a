import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { CountersMemory } from '../metrics/counters-memory.ts';
import type { RareTotals } from '../metrics/rare-totals.ts';
import type { SessionTable } from '../sessions/table.ts';
import type { AdminChange } from './admin-change.ts';
import type { Phase } from './control-plane.ts';

/** The parts of a running limpet that the admin API looks at and changes. */
export interface LiveParts {
  readonly version: string;
  /** Ms since epoch. */
  readonly startedAt: number;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
  readonly phase: () => Phase;
  /** The pools as they run now; a reload replaces them whole. */
  readonly pools: () => readonly Pool[];
  /** 1 at the start, one more with each reload. */
  readonly configGeneration: () => number;
  /** In the order of the configuration. `address`: where it really listens, such as `http://127.0.0.1:8080`. */
  readonly listeners: () => readonly { readonly bind: string; readonly address: string }[];
  readonly workers: {
    /** How many run right now. */
    readonly running: () => number;
    /** How many were started again. */
    readonly restarts: () => number;
  };
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly counters: CountersMemory;
  readonly rare: RareTotals;
  /** Called after each change that was made, for the log. */
  readonly onAdminChange: (change: AdminChange) => void;
}
