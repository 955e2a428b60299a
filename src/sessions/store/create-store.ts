import type { SessionsConfig } from '../../config/schema.ts';
import type { Logger } from '../../logging/logger.ts';
import type { SessionTable } from '../table/table.ts';
import type { UserIndex } from '../users/user-index.ts';
import { MemoryStore } from './memory-store.ts';
import { RedisStore } from './redis/redis-store.ts';
import { StoreStatus } from './redis/store-status.ts';
import type { SharedStore } from './shared-store.ts';
import type { SessionStore } from './store.ts';

/** The store of a worker. @param shared null with `store: memory` */
export function createStore(
  worker: number,
  config: SessionsConfig,
  shared: SharedStore | null,
  table: SessionTable,
  users: UserIndex,
  log: Logger,
): SessionStore {
  if (shared === null || config.redis === null) return new MemoryStore(table, users);
  const status = new StoreStatus(shared.status);
  return new RedisStore({ config: config.redis, table, users, status, node: shared.node, worker, log, now: Date.now });
}
