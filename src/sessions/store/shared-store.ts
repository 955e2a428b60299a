import type { StoreStatusMemory } from './redis/store-status.ts';

/** What the threads of a node share of a store that nodes share. Structured-cloneable. */
export interface SharedStore {
  /** Name of this node: random text without line feeds. */
  readonly node: string;
  readonly status: StoreStatusMemory;
}
