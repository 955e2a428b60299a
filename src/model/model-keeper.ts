import { buildPools } from '../backends/build-pools.ts';
import type { DiscoveredMember } from '../backends/discovery/discovered-member.ts';
import type { Pool } from '../backends/pool.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { SlotRegistry } from '../backends/slots.ts';
import { listenerKeys } from '../config/listener-keys.ts';
import type { BackendConfig, Config } from '../config/schema.ts';
import type { TlsMaterial } from '../config/tls-material.ts';
import type { CounterSums } from '../metrics/counter-sums.ts';
import { IndexRegistry } from './index-registry.ts';
import { resolveMembers } from './members.ts';
import type { RunningModel } from './running-model.ts';

/** What a ModelKeeper works with. */
interface ModelKeeperParts {
  readonly state: SharedState;
  readonly counters: CounterSums;
  /** Sessions bound to the backend of a slot. */
  readonly sessions: (slot: number) => number;
  readonly slots: number;
  readonly pools: number;
  readonly listeners: number;
  readonly keySecret: Uint8Array;
}

/** What the next model is made from. */
export interface ModelSources {
  readonly file: Config;
  readonly secrets: readonly Uint8Array[];
  /** Certificates, by the keys of their listeners. */
  readonly tls: ReadonlyMap<string, TlsMaterial>;
  /** The latest answers of discovery, by pool. */
  readonly found: ReadonlyMap<string, readonly DiscoveredMember[]>;
}

/** A model that is not in effect yet. Exactly one of `adopt` and `discard` is to be called with it. */
export interface ModelPlan {
  readonly model: RunningModel;
  readonly sources: ModelSources;
  readonly pools: readonly Pool[];
  /** Backends that got a slot for it, by pool and id. */
  readonly joined: readonly (readonly [pool: string, id: string])[];
}

/**
 * Makes the models that limpet runs by, one after the other, and does in shared memory what goes with them: gives slots
 * to backends that join, sets what the file says of their admin state and weight, lets backends depart. Supervisor
 * only; one plan at a time.
 *
 * What an operator has set at run time stays, unless the file's value itself has changed.
 */
export class ModelKeeper {
  readonly #parts: ModelKeeperParts;
  readonly #slots: SlotRegistry;
  readonly #poolIndices: IndexRegistry;
  readonly #listenerIndices: IndexRegistry;
  /** Slots of backends that are gone, for as long as requests of an earlier model use them. */
  readonly #vacating = new Set<number>();
  #current: ModelPlan | null = null;

  constructor(parts: ModelKeeperParts) {
    const { state, sessions } = parts;
    this.#parts = parts;
    this.#slots = new SlotRegistry(
      parts.slots,
      (slot) => state.active(slot) > 0 || sessions(slot) > 0,
      Date.now,
      (slot) => state.layout.life[slot]!,
    );
    this.#poolIndices = new IndexRegistry('pools', parts.pools);
    this.#listenerIndices = new IndexRegistry('listeners', parts.listeners);
  }

  /** The model in effect. */
  get model(): RunningModel {
    return this.#plan.model;
  }

  /** Its pools, as the supervisor's own parts see them. */
  get pools(): readonly Pool[] {
    return this.#plan.pools;
  }

  /** What it was made from. */
  get sources(): ModelSources {
    return this.#plan.sources;
  }

  get #plan(): ModelPlan {
    if (this.#current === null) throw new Error('there is no model yet');
    return this.#current;
  }

  /**
   * The next model. Nothing changes for the running ones: backends that join have a slot, that is all.
   * @param reread whether the file was read again
   * @throws Error when there is no room for it, with what to do
   */
  plan(sources: ModelSources, reread: boolean): ModelPlan {
    const before = this.#current;
    const { file, secrets, tls, found } = sources;
    const { config, departing, discovered } = resolveMembers({
      file,
      found,
      before: before?.model.config ?? null,
      stays: (name) => this.#isBusy(name),
    });
    const joined: [string, string][] = [];
    try {
      for (const [pool, { backends }] of Object.entries(config.pools)) {
        for (const backend of backends) this.#join(pool, backend, departing, joined);
      }
      const keys = listenerKeys(config.listeners);
      const model: RunningModel = {
        serial: (before?.model.serial ?? 0) + 1,
        generation: (before?.model.generation ?? 0) + (reread ? 1 : 0),
        config,
        slots: this.#assignmentsOf(config),
        departing,
        discovered,
        pools: this.#poolIndices.assign(Object.keys(config.pools)),
        listeners: this.#listenerIndices.assign(keys),
        tls,
        secrets,
        keySecret: this.#parts.keySecret,
      };
      const pools = buildPools(config, model.slots, {
        indices: model.pools,
        departing,
        layout: this.#parts.state.layout,
      });
      return { model, sources, pools, joined };
    } catch (error) {
      this.#leave(joined);
      throw error;
    }
  }

  /** The workers run by it now. */
  adopt(plan: ModelPlan): void {
    const before = this.#current;
    this.#current = plan;
    const { state } = this.#parts;
    const { departing } = plan.model;
    const now = membersOf(plan.model.config);
    const joined = new Set(plan.joined.map(([pool, id]) => `${pool}/${id}`));
    const old = before === null ? new Map<string, BackendConfig>() : membersOf(before.model.config);
    for (const [name, backend] of now) {
      const was = old.get(name);
      // Those that joined got theirs with the slot.
      if (was === undefined || joined.has(name)) continue;
      const { slot } = plan.model.slots.get(name)!;
      if (departing.has(name)) {
        if (!before!.model.departing.has(name) && state.adminState(slot) === 'ready')
          state.setAdminState(slot, 'drain');
        continue;
      }
      const returns = before!.model.departing.has(name);
      if (returns || was.state !== backend.state) state.setAdminState(slot, backend.state);
      if (was.weight !== backend.weight) state.setWeight(slot, backend.weight);
    }
    for (const name of old.keys()) {
      if (now.has(name) && !joined.has(name)) continue;
      const slot = before!.model.slots.get(name)!.slot;
      if (!joined.has(name)) this.#slots.release(...split(name));
      if (plan.model.slots.get(name)?.slot !== slot) this.#vacating.add(slot);
    }
    this.tidy();
  }

  /** It is not to be. */
  discard(plan: ModelPlan): void {
    this.#leave(plan.joined);
  }

  /**
   * Frees what nothing refers to any more. To be called now and then.
   * @returns whether a departing backend has nothing left to do: time for another model
   */
  tidy(): boolean {
    const { state } = this.#parts;
    for (const slot of this.#vacating) {
      if (state.active(slot) > 0) continue;
      this.#vacating.delete(slot);
      state.vacate(slot);
    }
    for (const name of this.model.departing) if (!this.#isBusy(name)) return true;
    return false;
  }

  #isBusy(name: string): boolean {
    const assignment = this.#slots.get(...split(name));
    if (assignment === undefined) return false;
    const { state, sessions } = this.#parts;
    return state.active(assignment.slot) > 0 || sessions(assignment.slot) > 0;
  }

  #join(pool: string, backend: BackendConfig, departing: ReadonlySet<string>, joined: [string, string][]): void {
    const name = `${pool}/${backend.id}`;
    const { state, counters } = this.#parts;
    if (this.#slots.get(pool, backend.id) !== undefined) {
      const before = this.#current!.model;
      if (departing.has(name) || !before.departing.has(name)) return;
      // It comes back before it was gone. The same server that kept serving all the while is still the same; anything
      // else is another life of the id, and the sessions of the earlier one are not its own (behaviour 12).
      const was = before.config.pools[pool]?.backends.find(({ id }) => id === backend.id);
      const { slot } = this.#slots.get(pool, backend.id)!;
      if (was?.url === backend.url && state.health(slot) !== 'down') return;
      this.#slots.release(pool, backend.id);
    }
    let reused = false;
    const { slot } = this.#slots.assign(pool, backend.id, (another) => {
      reused = true;
      counters.clearSlot(another);
    });
    this.#vacating.delete(slot);
    joined.push([pool, backend.id]);
    // In its own old slot its counts go on (behaviour 45).
    state.reset(slot, { admin: backend.state, weight: backend.weight, keepCounts: !reused });
  }

  #leave(joined: readonly (readonly [string, string])[]): void {
    for (const [pool, id] of joined) {
      const assignment = this.#slots.get(pool, id);
      if (assignment === undefined) continue;
      this.#parts.state.vacate(assignment.slot);
      this.#slots.release(pool, id);
    }
  }

  #assignmentsOf(config: Config): RunningModel['slots'] {
    const all = this.#slots.assignments;
    const names = membersOf(config);
    for (const name of [...all.keys()]) if (!names.has(name)) all.delete(name);
    return all;
  }
}

function membersOf(config: Config): Map<string, BackendConfig> {
  return new Map(
    Object.entries(config.pools).flatMap(([pool, { backends }]) =>
      backends.map((backend): [string, BackendConfig] => [`${pool}/${backend.id}`, backend]),
    ),
  );
}

/** `pool/id` in its parts: names of pools hold no slash. */
function split(name: string): [pool: string, id: string] {
  const at = name.indexOf('/');
  return [name.slice(0, at), name.slice(at + 1)];
}
