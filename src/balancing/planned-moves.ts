import { setImmediate } from 'node:timers/promises';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { Key } from '../keys/key.ts';
import { parse } from '../keys/public-id.ts';
import type { MoveReason } from '../sessions/table/move-reasons.ts';
import type { SessionEntry, SessionTable } from '../sessions/table/table.ts';
import { failoverTarget, replicaTarget } from './failover-target.ts';

/** Rows of the table that are looked at before everything else in this thread has its turn. */
const ROWS_AT_ONCE = 65_536;
/** Of a session whose backend was restarted: nobody else has its state, and it stays. */
const STAYS = Symbol('stays');
/** Sessions that a plan names one by one. */
const NAMED = 100;

/** A backend that its sessions leave. */
export interface Leaving {
  /** As it runs now: what the rows of its sessions name. */
  readonly backend: Backend;
  /** Where its sessions look for another one; null: their pool goes too, and they have nowhere to go. */
  readonly pool: Pool | null;
  /** The backend as `pool` has it, with its replicas there; null: `pool` knows nothing of it. */
  readonly home: Backend | null;
  readonly reason: MoveReason;
  /** Whether they go at their next request, or stay for as long as the backend answers. */
  readonly when: 'now' | 'when-it-goes';
}

/** Sessions that go the same way. */
interface PlannedMove {
  readonly pool: string;
  readonly from: string;
  /** Null: nowhere, their requests are answered 503. */
  readonly to: string | null;
  readonly reason: MoveReason;
  readonly when: Leaving['when'];
  readonly sessions: number;
}

/** What would become of the sessions of some backends. */
export interface MovePlan {
  readonly total: number;
  /** In the order of the backends asked for; of each, the largest number first. */
  readonly moves: readonly PlannedMove[];
  /** The first 100. `key` is the public id. */
  readonly sessions: readonly {
    readonly key: string;
    readonly pool: string;
    readonly from: string;
    readonly to: string | null;
  }[];
}

/**
 * Where each session of the leaving backends would go if all of them went at once, by the code that moves sessions when
 * a backend fails. Changes nothing and touches no session (behaviour 20). `state` is what the targets are judged by:
 * the live one, or one that says how things would be.
 */
export async function planMoves(
  table: SessionTable,
  leaving: readonly Leaving[],
  state: SharedState,
  now: () => number,
): Promise<MovePlan> {
  const counts = leaving.map(() => new Map<string | null, number>());
  const sessions: MovePlan['sessions'][number][] = [];
  let total = 0;
  await visitLeaving(table, leaving, state, now, (nth, entry, _key, target) => {
    const to = target?.id ?? null;
    const count = counts[nth]!;
    count.set(to, (count.get(to) ?? 0) + 1);
    total++;
    const { backend } = leaving[nth]!;
    if (sessions.length < NAMED) sessions.push({ key: entry.key, pool: backend.pool, from: backend.id, to });
  });
  const moves = leaving.flatMap(({ backend, reason, when }, nth) =>
    [...counts[nth]!]
      .sort(([, one], [, other]) => other - one)
      .map(([to, count]) => ({ pool: backend.pool, from: backend.id, to, reason, when, sessions: count })),
  );
  return { total, moves, sessions };
}

/**
 * Called for each session, outside every lock. `key` is scratch; `target` is null when there is nowhere to go, or when
 * the pool ends its sessions rather than send them where their state is not (`onLost: reject`).
 */
type VisitLeaving = (nth: number, entry: SessionEntry, key: Key, target: Backend | null) => void;

/**
 * Goes through the sessions of the leaving backends, portion by portion; `nth` is the place of the backend in
 * `leaving`.
 */
export async function visitLeaving(
  table: SessionTable,
  leaving: readonly Leaving[],
  state: SharedState,
  now: () => number,
  visit: VisitLeaving,
): Promise<void> {
  if (leaving.length === 0) return;
  const nthOf = new Map(leaving.map(({ backend }, nth) => [backend.slot, nth]));
  const gone = leaving.map(({ backend }) => backend.slot);
  const only = leaving.length === 1 ? { backend: leaving[0]!.backend.slot } : {};
  const key = new Key();
  const scratch: Backend[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = table.list(
      { limit: ROWS_AT_ONCE, scan: ROWS_AT_ONCE, ...only, ...(cursor === null ? {} : { cursor }) },
      now(),
    );
    for (const entry of page.sessions) {
      const nth = nthOf.get(entry.backend);
      if (nth === undefined || !leaving[nth]!.backend.life.owns(entry.generation)) continue;
      parse(entry.key, key);
      const target = targetOf(leaving[nth]!, entry, key, state, gone, scratch);
      if (target !== STAYS) visit(nth, entry, key, target);
    }
    cursor = page.cursor;
    if (cursor === null) return;
    await setImmediate();
  }
}

/** Null: nowhere. */
function targetOf(
  { pool, home, reason }: Leaving,
  { provisional, lastSeen }: SessionEntry,
  key: Key,
  state: SharedState,
  gone: readonly number[],
  scratch: Backend[],
): Backend | typeof STAYS | null {
  if (pool === null) return null;
  if (reason === 'backend-restarted' && home !== null) {
    const replica = replicaTarget(pool, home, key, state, gone, gone.length, scratch, lastSeen);
    return replica ?? (pool.config.failover.onLost === 'reject' && !provisional ? null : STAYS);
  }
  const found = failoverTarget(pool, home, key, state, gone, gone.length, scratch, lastSeen);
  // A session that no backend has answered yet has no state that could be lost.
  if (found === null || provisional || pool.config.failover.onLost === 'move') return found;
  const holds = home?.replicas.some(({ slot, generation }) => slot === found.slot && generation === found.generation);
  return holds ? found : null;
}
