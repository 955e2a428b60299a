import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { type AdminState, SharedState } from '../backends/shared-state.ts';
import type { Leaving } from '../balancing/planned-moves.ts';

/**
 * What another configuration does to the sessions of the running one: whose backends they leave, and the state of
 * things that their targets are judged by, which is a copy: the live one is not touched.
 *
 * A backend that is taken out of the file serves its sessions for as long as it answers; they leave it when it goes
 * away. One that is set to maintenance loses them at their next request. A pool that is taken out loses them all: no
 * route leads there any more.
 *
 * @param next the pools of the other configuration; backends that stay have their slot and generation
 */
export function configuredMoves(
  running: readonly Pool[],
  next: readonly Pool[],
  live: SharedState,
): { readonly leaving: readonly Leaving[]; readonly state: SharedState } {
  const state = stateWith(running, next, live);
  const leaving: Leaving[] = [];
  for (const old of running) {
    const pool = next.find(({ name }) => name === old.name) ?? null;
    for (const backend of old.backends) {
      const one = leaves(backend, pool, state, live);
      if (one !== null) leaving.push(one);
    }
  }
  return { leaving, state };
}

/** Null: its sessions stay. */
function leaves(backend: Backend, pool: Pool | null, then: SharedState, live: SharedState): Leaving | null {
  if (pool === null) return { backend, pool, home: null, reason: 'removed', when: 'now' };
  const home = sameIn(pool, backend);
  if (home === null && pool.byId.has(backend.id)) {
    // Another life of its id: the sessions of this one are not its own (behaviour 12).
    return { backend, pool, home, reason: 'removed', when: 'now' };
  }
  if (home === null || home.departing) {
    // One that departs already is not the other configuration's doing.
    return backend.departing ? null : { backend, pool, home: home ?? backend, reason: 'removed', when: 'when-it-goes' };
  }
  const taken = then.adminState(home.slot) === 'maintenance' && live.adminState(home.slot) !== 'maintenance';
  return taken ? { backend, pool, home, reason: 'maintenance', when: 'now' } : null;
}

/** Live state as it would be with the other pools. */
function stateWith(running: readonly Pool[], next: readonly Pool[], live: SharedState): SharedState {
  const slots = next.flatMap(({ backends }) => backends.map(({ slot }) => slot));
  const state = new SharedState(SharedState.allocate(1, Math.max(0, ...slots) + 1), -1);
  for (const pool of next) {
    const old = running.find(({ name }) => name === pool.name);
    for (const backend of pool.backends) {
      const before = old === undefined ? null : sameIn(old, backend);
      state.reset(backend.slot, {
        admin: adminAfter(pool, backend, old, before, live),
        weight: weightAfter(pool, backend, old, before, live),
      });
      if (before === null) continue;
      state.setHealth(backend.slot, live.health(backend.slot));
      state.setEjected(backend.slot, live.ejected(backend.slot));
    }
  }
  return state;
}

/** What an operator has set at run time stays, unless the file's value itself has changed. */
function adminAfter(
  pool: Pool,
  backend: Backend,
  old: Pool | undefined,
  before: Backend | null,
  live: SharedState,
): AdminState {
  const { state } = entryOf(pool, backend);
  if (before === null) return state;
  const now = live.adminState(before.slot);
  if (backend.departing) return now === 'ready' ? 'drain' : now;
  return before.departing || entryOf(old!, before).state !== state ? state : now;
}

function weightAfter(
  pool: Pool,
  backend: Backend,
  old: Pool | undefined,
  before: Backend | null,
  live: SharedState,
): number {
  const { weight } = entryOf(pool, backend);
  return before === null || entryOf(old!, before).weight !== weight ? weight : live.configuredWeight(before.slot);
}

function entryOf(pool: Pool, { id }: Backend) {
  return pool.config.backends.find((entry) => entry.id === id)!;
}

/** The backend with the same life in another model: rows that name one name the other. */
function sameIn(pool: Pool, { slot, generation }: Backend): Backend | null {
  const found = pool.bySlot[slot];
  return found?.generation === generation ? found : null;
}
