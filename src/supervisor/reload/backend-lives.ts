import type { Backend } from '../../backends/backend.ts';
import { backendByName } from '../../backends/backend-by-name.ts';
import { BootIds } from '../../backends/boot-ids.ts';
import type { KnownLife, KnownLives } from '../../backends/known-lives.ts';
import type { SharedState } from '../../backends/shared-state.ts';
import type { Restarts } from '../../health/restarts.ts';
import type { ModelKeeper } from '../../model/model-keeper.ts';

/** The lives of the backends in the model that is in effect, see KnownLives. */
export class BackendLives implements KnownLives {
  readonly #keeper: Pick<ModelKeeper, 'pools'>;
  readonly #restarts: Restarts;
  readonly #boots: BootIds;
  readonly #now: () => number;

  /** @param now wall clock, ms since epoch */
  constructor(
    keeper: Pick<ModelKeeper, 'pools'>,
    { layout, row }: SharedState,
    restarts: Restarts,
    now: () => number = Date.now,
  ) {
    this.#keeper = keeper;
    this.#restarts = restarts;
    this.#now = now;
    this.#boots = new BootIds(layout, row);
  }

  /** What is known of a backend. */
  of({ pool, id, slot, life: { number: life, began } }: Backend): KnownLife {
    const boots = this.#boots.known(slot);
    return { name: `${pool}/${id}`, life, began, ...(boots === null ? {} : { boots }) };
  }

  reader(): () => readonly KnownLife[] {
    /** By name, the number and the version of its ids that were told last. */
    let told = new Map<string, string>();
    return () => {
      const changed: KnownLife[] = [];
      const now = new Map<string, string>();
      for (const { name: pool, backends } of this.#keeper.pools) {
        for (const backend of backends) {
          const name = `${pool}/${backend.id}`;
          const state = `${backend.life.number},${this.#boots.version(backend.slot)}`;
          now.set(name, state);
          if ((told.get(name) ?? '1,0') !== state) changed.push(this.of(backend));
        }
      }
      told = now;
      return changed;
    };
  }

  learn(lives: readonly KnownLife[], before = false): void {
    const now = this.#now();
    for (const { name, life, began: told, boots } of lives) {
      const backend = backendByName(this.#keeper.pools, name);
      if (backend === null) continue;
      // By a clock that is wrong, a life would begin in a time to come, and until then nobody's state be looked for
      // there.
      const began = Math.min(told, now);
      if (before) backend.life.reach(life, began);
      else this.#restarts.learn(backend, life, began);
      if (boots !== undefined) this.#boots.learn(backend.slot, boots, life, backend.life.number);
    }
  }
}
