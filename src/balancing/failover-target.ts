import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { Key } from '../sessions/key.ts';
import { openCandidates } from './candidates.ts';
import { rendezvous } from './rendezvous.ts';
import { isTried } from './tried.ts';

/**
 * Where a session goes whose backend `from` cannot serve it, by `failover.to` in its order; null when nowhere. `from` is null when
 * the backend is not in the pool any more and nothing is known of its replicas.
 *
 * `replicas`: of the replicas, the first of these sets that is not empty: the open ones; the ready ones of weight 0 (a standby that
 * gets no sessions but these); the draining ones. The last two still come before `any`, because they hold the session's state and
 * others do not. `any`: what openCandidates finds, that is in panic mode also backends that are down; then the session stays with
 * `from` if it may be tried, which is returned, as leaving its state behind would gain nothing (behaviour 36).
 *
 * Several share the sessions by rendezvous hash of the key and configured weight: every worker and every node with the same view
 * picks the same one without asking (behaviour 33). `scratch` belongs to the caller and is overwritten.
 */
export function failoverTarget(
  pool: Pool,
  from: Backend | null,
  key: Key,
  state: SharedState,
  tried: ArrayLike<number>,
  triedCount: number,
  scratch: Backend[],
): Backend | null {
  // Not the effective weight: a slow start differs from node to node.
  const weightOf = (backend: Backend): number => state.configuredWeight(backend.slot);
  for (const where of pool.config.failover.to) {
    if (where === 'replicas') {
      for (let rank = 0; from !== null && rank < RANKS.length; rank++) {
        const count = replicasOfRank(RANKS[rank]!, pool, from, state, tried, triedCount, scratch);
        if (count > 0) return rendezvous(scratch, count, key, weightOf);
      }
    } else {
      const count = openCandidates(pool, state, tried, triedCount, scratch);
      for (let i = 0; i < count; i++) if (isSame(scratch[i], from)) return scratch[i]!;
      if (count > 0) return rendezvous(scratch, count, key, weightOf);
    }
  }
  return null;
}

type Rank = (state: SharedState, slot: number) => boolean;

const RANKS: readonly Rank[] = [
  (state, slot) => state.isOpen(slot),
  (state, slot) => state.isUsable(slot) && state.adminState(slot) === 'ready',
  (state, slot) => state.isUsable(slot),
];

function replicasOfRank(
  fits: Rank,
  pool: Pool,
  from: Backend,
  state: SharedState,
  tried: ArrayLike<number>,
  triedCount: number,
  out: Backend[],
): number {
  let count = 0;
  for (const named of from.replicas) {
    // `from` may be of an earlier configuration: its replicas are looked up in this one.
    const replica = pool.bySlot[named.slot];
    if (replica === undefined || replica.generation !== named.generation) continue;
    if (fits(state, replica.slot) && !isTried(replica.slot, tried, triedCount)) out[count++] = replica;
  }
  return count;
}

function isSame(one: Backend | undefined, other: Backend | null): boolean {
  return one !== undefined && other !== null && one.slot === other.slot && one.generation === other.generation;
}
