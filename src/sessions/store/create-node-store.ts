import type { SessionsConfig } from '../../config/schema.ts';
import type { NodeStore, NodeStoreParts } from './node-store.ts';
import { RedisSupervisor } from './redis/redis-supervisor.ts';

/** Makes the supervisor's half of the store. Null: this process alone decides (`store: memory`). */
export function createNodeStore({ store, redis }: SessionsConfig, parts: NodeStoreParts): NodeStore | null {
  return store === 'memory' || redis === null ? null : new RedisSupervisor({ ...parts, config: redis });
}
