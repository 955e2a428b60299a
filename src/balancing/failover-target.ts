import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { Key } from '../keys/key.ts';
import { openCandidates } from './candidates.ts';
import { rendezvous } from './rendezvous.ts';
import { isTried } from './tried.ts';

/**
 * Where a session goes whose backend `from` cannot serve it, by `failover.to` in its order; null when nowhere. `from`
 * is null when the backend is not in the pool any more and nothing is known of its replicas.
 *
 * `replicas`: of the replicas, the first of these sets that is not empty: the open ones; the ready ones of weight 0 (a
 * standby that gets no sessions but these); the draining ones. The last two still come before `any`, because they hold
 * the session's state and others do not. Replicas that were restarted after the session was last seen have lost their
 * copy: they come after all others. `any`: what openCandidates finds, that is in panic mode also backends that are
 * down; then the session stays with `from` if it may be tried, which is returned, as leaving its state behind would
 * gain nothing (behaviour 36).
 *
 * Several share the sessions by rendezvous hash of the key and configured weight: every worker and every node with the
 * same view picks the same one without asking (behaviour 33). `scratch` belongs to the caller and is overwritten.
 * @param seen when the session was last seen, ms since epoch; Infinity: it has no state that could be lost
 */
export function failoverTarget(
  pool: Pool,
  from: Backend | null,
  key: Key,
  state: SharedState,
  tried: ArrayLike<number>,
  triedCount: number,
  scratch: Backend[],
  seen = Number.POSITIVE_INFINITY,
): Backend | null {
  for (const where of pool.config.failover.to) {
    if (where === 'replicas') {
      const replica =
        from === null
          ? null
          : (replicaTarget(pool, from, key, state, tried, triedCount, scratch, seen) ??
            replicaTarget(pool, from, key, state, tried, triedCount, scratch, Number.POSITIVE_INFINITY));
      if (replica !== null) return replica;
    } else {
      const count = openCandidates(pool, state, tried, triedCount, scratch);
      for (let i = 0; i < count; i++) if (isSame(scratch[i], from)) return scratch[i]!;
      if (count > 0) return share(scratch, count, key, state);
    }
  }
  return null;
}

/**
 * The replica of `from` that has a session's state: one of the life that it was in when the session was last seen
 * (behaviour 114). Null: there is none that may be tried. Parameters as of `failoverTarget`.
 */
export function replicaTarget(
  pool: Pool,
  from: Backend,
  key: Key,
  state: SharedState,
  tried: ArrayLike<number>,
  triedCount: number,
  scratch: Backend[],
  seen: number,
): Backend | null {
  for (let rank = 0; rank < RANKS.length; rank++) {
    const fits = RANKS[rank]!;
    let count = 0;
    for (const named of from.replicas) {
      // `from` may be of an earlier configuration: its replicas are looked up in this one.
      const replica = pool.bySlot[named.slot];
      if (replica === undefined || replica.generation !== named.generation || replica.life.began >= seen) continue;
      if (fits(state, replica.slot) && !isTried(replica.slot, tried, triedCount)) scratch[count++] = replica;
    }
    if (count > 0) return share(scratch, count, key, state);
  }
  return null;
}

function share(among: Backend[], count: number, key: Key, state: SharedState): Backend | null {
  // Not the effective weight: a slow start differs from node to node.
  return rendezvous(among, count, key, (backend) => state.configuredWeight(backend.slot));
}

type Rank = (state: SharedState, slot: number) => boolean;

const RANKS: readonly Rank[] = [
  (state, slot) => state.isOpen(slot),
  (state, slot) => state.isUsable(slot) && state.adminState(slot) === 'ready',
  (state, slot) => state.isUsable(slot),
];

function isSame(one: Backend | undefined, other: Backend | null): boolean {
  return one !== undefined && other !== null && one.slot === other.slot && one.generation === other.generation;
}
