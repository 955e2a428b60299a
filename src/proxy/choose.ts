import type { Backend } from '../backends/backend.ts';
import { boundBackend } from '../backends/bound-backend.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { openCandidates } from '../balancing/candidates.ts';
import { failoverTarget, replicaTarget } from '../balancing/failover-target.ts';
import { isTried } from '../balancing/tried.ts';
import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { Lookup } from '../sessions/table/lookup.ts';
import { MoveReason } from '../sessions/table/move-reasons.ts';
import { refusedUntil } from '../sessions/table/refused-until.ts';
import type { SearchedRows } from '../sessions/table/searched-rows.ts';
import { threadWheel } from '../timing/thread-wheel.ts';
import { failbackTarget } from './session/failback.ts';
import { isOwnedSession } from './session/owned-session.ts';
import { Search } from './session/search.ts';
import { followRotation } from './session/session-changes.ts';
import { claim } from './session/session-claim.ts';

/** A backend, or why there is none. */
export interface Choice {
  backend: Backend | null;
  error: ErrorKind;
  /** Neither yet: the store is being asked, see `Exchange.asked`. */
  awaitStore: boolean;
  /** Neither yet: the key turned out to be another client's session, search again. */
  restart: boolean;
  /** With SESSION_LOST: the session was there until this call. */
  ended: boolean;
}

/** Scratch: the result of the latest call. */
const choice: Choice = { backend: null, error: ERRORS.NO_BACKEND, awaitStore: false, restart: false, ended: false };

function chosen(backend: Backend | null, error: ErrorKind = ERRORS.NO_BACKEND): Choice {
  choice.backend = backend;
  choice.error = error;
  choice.awaitStore = false;
  choice.restart = false;
  choice.ended = false;
  return choice;
}

/**
 * Chooses the backend of the next attempt: never one that this request has tried (behaviour 31). Valid until the next
 * call.
 */
export function chooseBackend(
  x: Exchange,
  runtime: PoolRuntime,
  state: SharedState,
  table: SearchedRows,
  store: SessionStore,
): Choice {
  x.bindsTo = -1;
  if (x.bound || x.claimed) return bound(x, runtime, state, table, store);
  const { pool, candidates } = runtime;
  // It came late with an id that was rotated away: it has no session, but the backend of the one it had.
  if (
    x.boundBackend !== null &&
    !isTried(x.boundBackend.slot, x.tried, x.triedCount) &&
    state.isUsable(x.boundBackend.slot)
  )
    return chosen(x.boundBackend);
  const count = openCandidates(pool, state, x.tried, x.triedCount, candidates);
  if (count === 0) return chosen(null);
  const backend = runtime.policy.pick(candidates, count, x.strategy === null ? null : x.found.key);
  // A key that limpet makes itself is known to nobody else: it needs no claim before a backend has answered.
  if (x.strategy === null || x.fresh) return chosen(backend);
  const search = claim(x, backend, runtime, table, store, Date.now());
  if (search === Search.refused) return chosen(null, ERRORS.STORE_DOWN);
  if (search === Search.done) return x.bound ? bound(x, runtime, state, table, store) : chosen(backend);
  chosen(null);
  choice.awaitStore = search === Search.awaitStore;
  choice.restart = search === Search.restart;
  return choice;
}

/**
 * A session that is bound stays where it is while that is possible, and moves to a replica when it is not (behaviour
 * 33).
 */
function bound(
  x: Exchange,
  runtime: PoolRuntime,
  state: SharedState,
  table: SearchedRows,
  store: SessionStore,
): Choice {
  const { pool } = runtime;
  if (x.triedCount > 0 && x.hasRow) follow(x, runtime, state, table);
  const home = x.claimed && !x.bound ? boundBackend(pool, x.row) : x.boundBackend;
  const tried = home !== null && isTried(home.slot, x.tried, x.triedCount);
  if (x.triedCount === 0 && x.hasRow && x.row.failbackTo >= 0) {
    const first = goesBack(x, runtime, state);
    if (first !== null) {
      x.moveReason = MoveReason.failback;
      return chosen(first);
    }
  }
  if (x.bound && home !== null) {
    x.bindsTo = x.stamp;
    if (!home.life.isNow(x.stamp) && pool.config.failover.restarted === 'move') {
      const replica = afterRestart(x, home, tried, runtime, state);
      if (replica !== null) return chosen(replica);
      if (x.bindsTo !== x.stamp && pool.config.failover.onLost === 'reject') return lose(x, runtime, store);
    } else x.bindsTo = home.life.stamp;
  }
  if (home !== null && !tried && state.isUsable(home.slot)) return chosen(home);
  const { onLost } = pool.config.failover;
  x.moveReason = reason(home, state);
  const { tried: all, triedCount, seenAt } = x;
  const target = failoverTarget(pool, home, x.found.key, state, all, triedCount, runtime.candidates, seenAt);
  if (onLost === 'reject' && !x.claimed && (target === null || home === null || !home.replicas.includes(target))) {
    // One failed attempt at a backend that is not known to be down loses nothing yet.
    return home !== null && state.isUsable(home.slot) ? chosen(null) : lose(x, runtime, store);
  }
  if (target !== null) return chosen(target);
  // Panic mode is the only one that sends a session to a backend that is down, and only to its own (behaviour 36).
  if (
    home !== null &&
    !tried &&
    pool.config.health.whenAllDown === 'try' &&
    state.adminState(home.slot) !== 'maintenance'
  ) {
    return chosen(home);
  }
  return chosen(null);
}

/**
 * Where a session goes that was bound to an earlier life of its backend (behaviour 114): to a replica that still has
 * its state. Null: it stays. If no replica has its state either, it takes on the life that its backend has now: so
 * nothing piles up when servers are restarted one after another.
 */
function afterRestart(
  x: Exchange,
  home: Backend,
  tried: boolean,
  { pool, candidates }: PoolRuntime,
  state: SharedState,
): Backend | null {
  const { key } = x.found;
  const replica = replicaTarget(pool, home, key, state, x.tried, x.triedCount, candidates, x.seenAt);
  if (replica !== null) {
    x.bindsTo = -1;
    // Until it accepts connections again it is a backend that is down, whatever else is known of it.
    const back = !tried && home.life.isBack && state.isUsable(home.slot);
    x.moveReason = back ? MoveReason['backend-restarted'] : reason(home, state);
    return replica;
  }
  if (replicaTarget(pool, home, key, state, [], 0, candidates, x.seenAt) === null) x.bindsTo = home.life.stamp;
  return null;
}

/**
 * The backend that the session had to leave, if it goes back there now. When that does not answer, the next attempt is
 * where the session is.
 */
function goesBack(x: Exchange, { pool, failures }: PoolRuntime, state: SharedState): Backend | null {
  const origin = pool.bySlot[x.row.failbackTo];
  const failedAgo = origin === undefined ? Number.POSITIVE_INFINITY : failures.ago(origin, threadWheel.now);
  return failbackTarget(x.row, pool, state, x.foundAt, failedAgo);
}

/** Another request of this session may have moved it meanwhile: then this one goes there too. */
function follow(x: Exchange, runtime: PoolRuntime, state: SharedState, table: SearchedRows): void {
  const now = Date.now();
  if (table.peek(x.found.key, now, x.row) === Lookup.ENDED && followRotation(x, table))
    table.peek(x.found.key, now, x.row);
  if (x.row.state !== Lookup.LIVE) return;
  const lives = boundBackend(runtime.pool, x.row);
  if (
    lives === null ||
    !x.bound ||
    lives === x.boundBackend ||
    isTried(lives.slot, x.tried, x.triedCount) ||
    !state.isUsable(lives.slot)
  )
    return;
  x.boundBackend = lives;
  x.stamp = x.row.generation;
}

/** The session's state is gone and the pool rejects instead of moving: the session ends. */
function lose(x: Exchange, runtime: PoolRuntime, store: SessionStore): Choice {
  const now = Date.now();
  const until = isOwnedSession(x) ? refusedUntil(runtime.pool.config.session, now) : 0;
  const ended = store.end(x.found.key, runtime.pool, x.createdAt, until, now);
  chosen(null, ERRORS.SESSION_LOST);
  choice.ended = ended;
  return choice;
}

function reason(home: Backend | null, state: SharedState): number {
  if (home === null) return MoveReason.removed;
  return state.adminState(home.slot) === 'maintenance' ? MoveReason.maintenance : MoveReason['backend-down'];
}
