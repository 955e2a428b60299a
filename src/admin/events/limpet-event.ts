import type { AdminState } from '../../backends/shared-state.ts';
import type { ConfigChange } from '../../config/diff.ts';
import type { HealthChange } from '../../health/health-change.ts';
import type { Mistake } from '../problem.ts';

/**
 * Something that an operator wants to hear of, as `GET /api/v1/events` tells it: `event` is the name of the server-sent
 * event, the rest is its data. What happens to thousands of sessions at once is one event with a count. Names are of
 * pools and backends; a key is a session's public id.
 */
export type LimpetEvent =
  /** Probes or traffic found a backend to be something else than before. */
  | {
      readonly event: 'health';
      readonly pool: string;
      readonly backend: string;
      readonly to: HealthChange['to'];
      readonly reason: string;
    }
  /**
   * The process of a backend has ended and another one takes its place: `sign` as in `limpet_backend_restarts_total`.
   */
  | {
      readonly event: 'backend-restarted';
      readonly pool: string;
      readonly backend: string;
      readonly sign: string;
      readonly count: number;
    }
  /**
   * Sessions moved by their traffic, by failback or by a drain whose time is over; `reason` as in
   * `limpet_failovers_total`.
   */
  | {
      readonly event: 'failover';
      readonly pool: string;
      readonly from: string;
      readonly to: string;
      readonly reason: string;
      readonly count: number;
    }
  /**
   * Sessions were used by other clients than those that they are bound to; `action` is what was done: observe, renew,
   * reject.
   */
  | { readonly event: 'binding-mismatch'; readonly pool: string; readonly action: string; readonly count: number }
  /** Sessions ended by other than their own time or traffic; `key` when it is a single one. */
  | {
      readonly event: 'session-ended';
      readonly pool: string | null;
      readonly backend: string | null;
      readonly reason: string;
      readonly count: number;
      readonly key?: string;
    }
  /** Sessions moved by an operator one by one; `key` when it is a single one. */
  | {
      readonly event: 'session-moved';
      readonly pool: string;
      readonly from: string | null;
      readonly to: string;
      readonly reason: 'operator';
      readonly count: number;
      readonly key?: string;
    }
  /** An operator changed what is wanted of a backend. */
  | {
      readonly event: 'backend-changed';
      readonly pool: string;
      readonly backend: string;
      readonly before: { readonly state: AdminState; readonly weight: number };
      readonly after: { readonly state: AdminState; readonly weight: number };
    }
  /** An operator moved the sessions away that a draining backend still had. */
  | {
      readonly event: 'backend-evacuated';
      readonly pool: string;
      readonly backend: string;
      readonly moved: number;
      readonly stayed: number;
    }
  /** The configuration was read again. `changed` and `mistakes` count; the lists hold the first of them. */
  | {
      readonly event: 'reload';
      readonly ok: true;
      readonly generation: number;
      readonly changed: number;
      readonly changes: readonly ConfigChange[];
    }
  | { readonly event: 'reload'; readonly ok: false; readonly mistakes: number; readonly errors: readonly Mistake[] }
  /** Workers ended unexpectedly and are started again. */
  | { readonly event: 'worker-restart'; readonly count: number; readonly restarts: number }
  /** The store of sessions that nodes share came up or went down. */
  | { readonly event: 'store'; readonly up: boolean }
  /** limpet takes traffic from now on, or stops. */
  | { readonly event: 'state'; readonly state: string };
