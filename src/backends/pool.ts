import type { PoolConfig } from '../config/schema.ts';
import type { Backend } from './backend.ts';

/**
 * A named group of backends that serve the same application. Read-only; replaced whole on a change of configuration.
 */
export interface Pool {
  readonly name: string;
  /** The same for as long as limpet runs. */
  readonly index: number;
  readonly config: PoolConfig;
  readonly backends: readonly Backend[];
  readonly byId: ReadonlyMap<string, Backend>;
  /** Backend at a slot of SharedState, or undefined when the slot is not this pool's. */
  readonly bySlot: readonly (Backend | undefined)[];
}
