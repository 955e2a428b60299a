import { backendByName } from '../backends/backend-by-name.ts';
import type { Restarts } from '../health/restarts.ts';
import type { ModelKeeper } from '../model/model-keeper.ts';
import type { KnownLife, KnownLives } from '../sessions/known-lives.ts';

/** The lives of the backends in the model that is in effect, see KnownLives. */
export class BackendLives implements KnownLives {
  readonly #keeper: Pick<ModelKeeper, 'pools'>;
  readonly #restarts: Restarts;

  constructor(keeper: Pick<ModelKeeper, 'pools'>, restarts: Restarts) {
    this.#keeper = keeper;
    this.#restarts = restarts;
  }

  reader(): () => readonly KnownLife[] {
    /** By backend, whose object stays the same as long as it keeps its place: the number that was told last. */
    let told = new Map<string, number>();
    return () => {
      const changed: KnownLife[] = [];
      const now = new Map<string, number>();
      for (const { name: pool, backends } of this.#keeper.pools) {
        for (const { id, life } of backends) {
          const name = `${pool}/${id}`;
          const { number } = life;
          now.set(name, number);
          if ((told.get(name) ?? 1) !== number) changed.push({ name, life: number, began: life.began });
        }
      }
      told = now;
      return changed;
    };
  }

  learn(lives: readonly KnownLife[], before = false): void {
    for (const { name, life, began } of lives) {
      const backend = backendByName(this.#keeper.pools, name);
      if (before) backend?.life.reach(life, began);
      else if (backend !== null) this.#restarts.learn(backend, life, began);
    }
  }
}
