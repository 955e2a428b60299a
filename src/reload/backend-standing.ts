import { backendByName } from '../backends/backend-by-name.ts';
import type { DiscoveredMember } from '../backends/discovery/discovered-member.ts';
import type { SharedState } from '../backends/shared-state.ts';
import type { BackendConfig } from '../config/schema.ts';
import type { ModelKeeper } from '../model/model-keeper.ts';
import type { BackendStanding } from '../sessions/snapshot-description.ts';

/** How every backend stands now, for whoever takes the sessions over. */
export function standingOf({ model, pools }: ModelKeeper, state: SharedState): BackendStanding[] {
  const standing: BackendStanding[] = [];
  const lives = new Map(pools.map((pool) => [pool.name, pool.byId]));
  for (const [pool, { backends }] of Object.entries(model.config.pools)) {
    for (const backend of backends) {
      const name = `${pool}/${backend.id}`;
      // Its admin state is not the operator's doing.
      if (model.departing.has(name)) continue;
      const { slot } = model.slots.get(name)!;
      const life = lives.get(pool)?.get(backend.id)?.life;
      standing.push({
        name,
        url: backend.url,
        state: state.adminState(slot),
        weight: state.configuredWeight(slot),
        discovered: model.discovered.has(name),
        ...(life === undefined ? {} : { life: life.number, lifeBegan: life.began }),
        configured: { state: backend.state, weight: backend.weight },
      });
    }
  }
  return standing;
}

/** Goes on with the lives that backends were in, and with what an operator had set at run time, for those of which the file says the same as it did then. */
export function restoreStanding(
  { model, pools }: ModelKeeper,
  state: SharedState,
  standing: readonly BackendStanding[],
): void {
  const members = new Map<string, BackendConfig>();
  for (const [pool, { backends }] of Object.entries(model.config.pools))
    for (const backend of backends) members.set(`${pool}/${backend.id}`, backend);
  for (const { name, state: admin, weight, configured, life, lifeBegan } of standing) {
    if (life !== undefined) backendByName(pools, name)?.life.reach(life, lifeBegan ?? 0);
    const backend = members.get(name);
    if (backend === undefined) continue;
    const { slot } = model.slots.get(name)!;
    if (backend.state === configured.state) state.setAdminState(slot, admin);
    if (backend.weight === configured.weight) state.setWeight(slot, weight);
  }
}

/** The members that discovery had found for a pool, for when it finds nothing at the start. */
export function knownMembers(pool: string, standing: readonly BackendStanding[]): DiscoveredMember[] {
  return standing
    .filter(({ name, discovered }) => discovered && name.startsWith(`${pool}/`))
    .map(({ name, url, configured }) => ({
      id: name.slice(pool.length + 1),
      url,
      weight: configured.weight,
      backup: false,
    }));
}
