import type { DiscoveredMember } from '../../backends/discovery/discovered-member.ts';
import type { KnownLife } from '../../backends/known-lives.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import type { BackendConfig } from '../../config/schema.ts';
import type { ModelKeeper } from '../../model/model-keeper.ts';
import type { BackendStatus } from '../../sessions/persistence/snapshot-description.ts';
import type { BackendLives } from './backend-lives.ts';

/** How every backend stands now, for whoever takes the sessions over. */
export function backendStatuses(
  { model, pools }: ModelKeeper,
  state: SharedState,
  known: Pick<BackendLives, 'of'>,
): BackendStatus[] {
  const statuses: BackendStatus[] = [];
  const lives = new Map(pools.map((pool) => [pool.name, pool.byId]));
  for (const [pool, { backends }] of Object.entries(model.config.pools)) {
    for (const backend of backends) {
      const name = `${pool}/${backend.id}`;
      // Its admin state is not the operator's doing.
      if (model.departing.has(name)) continue;
      const { slot } = model.slots.get(name)!;
      const running = lives.get(pool)?.get(backend.id);
      statuses.push({
        name,
        url: backend.url,
        state: state.adminState(slot),
        weight: state.configuredWeight(slot),
        discovered: model.discovered.has(name),
        ...(running === undefined ? {} : lifeOf(known.of(running))),
        configured: { state: backend.state, weight: backend.weight },
      });
    }
  }
  return statuses;
}

function lifeOf({ life, began, boots }: KnownLife): Pick<BackendStatus, 'life' | 'lifeBegan' | 'boots'> {
  return { life, lifeBegan: began, ...(boots === undefined ? {} : { boots }) };
}

/** The lives in which backends were, and the ids of their processes, as far as that is known. */
export function livesIn(statuses: readonly BackendStatus[]): KnownLife[] {
  return statuses.flatMap(({ name, life, lifeBegan: began = 0, boots }) =>
    life === undefined ? [] : [{ name, life, began, ...(boots === undefined ? {} : { boots }) }],
  );
}

/** Sets what an operator had set at run time, for backends of which the file says the same as it did then. */
export function restoreBackendStatuses(
  { model }: ModelKeeper,
  state: SharedState,
  statuses: readonly BackendStatus[],
): void {
  const members = new Map<string, BackendConfig>();
  for (const [pool, { backends }] of Object.entries(model.config.pools))
    for (const backend of backends) members.set(`${pool}/${backend.id}`, backend);
  for (const { name, state: admin, weight, configured } of statuses) {
    const backend = members.get(name);
    if (backend === undefined) continue;
    const { slot } = model.slots.get(name)!;
    if (backend.state === configured.state) state.setAdminState(slot, admin);
    if (backend.weight === configured.weight) state.setWeight(slot, weight);
  }
}

/** The members that discovery had found for a pool, for when it finds nothing at the start. */
export function knownMembers(pool: string, statuses: readonly BackendStatus[]): DiscoveredMember[] {
  return statuses
    .filter(({ name, discovered }) => discovered && name.startsWith(`${pool}/`))
    .map(({ name, url, configured }) => ({
      id: name.slice(pool.length + 1),
      url,
      weight: configured.weight,
      backup: false,
    }));
}
