import { buildPools } from '../../src/backends/build-pools.ts';
import type { Pool } from '../../src/backends/pool.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { SlotRegistry } from '../../src/backends/slots.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';

/** A backend as written in the configuration; the url is made up when it is left out. */
export interface WrittenBackend {
  readonly id: string;
  readonly [key: string]: unknown;
}

/** The resolved configuration of one pool named shop; `settings` are the other keys of the pool, as written. */
export function testConfig(backends: readonly WrittenBackend[], settings: object = {}): Config {
  const written = backends.map((backend, index) => ({ url: `http://127.0.0.1:${9001 + index}`, ...backend }));
  const parsed = configSchema.parse({
    listeners: [{ bind: '127.0.0.1:0' }],
    pools: { shop: { backends: written, ...settings } },
  });
  return { ...parsed, routes: [] };
}

/** A pool, and live state for `workers` threads in which its backends have taken their slots, in order from 0. */
export function testPool(backends: readonly WrittenBackend[], settings: object = {}, workers = 2) {
  const config = testConfig(backends, settings);
  const memory = SharedState.allocate(workers, 256);
  const state = new SharedState(memory, 0);
  const registry = new SlotRegistry(state.slots);
  for (const { id } of config.pools.shop!.backends) registry.assign('shop', id);
  const pool: Pool = buildPools(config, registry.assignments, { layout: state.layout })[0]!;
  config.pools.shop!.backends.forEach((backend, index) => {
    state.reset(pool.backends[index]!.slot, { admin: backend.state, weight: backend.weight });
  });
  return { config, memory, state, pool };
}
