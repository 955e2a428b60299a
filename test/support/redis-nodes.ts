import type { Pool } from '../../src/backends/pool.ts';
import { concludeRefusal } from '../../src/health/conclude-refusal.ts';
import { Restarts } from '../../src/health/restarts.ts';
import { createLogger } from '../../src/logging/logger.ts';
import type { RedisConfig } from '../../src/sessions/store/redis/connection.ts';
import { RedisStore } from '../../src/sessions/store/redis/redis-store.ts';
import { RedisSupervisor } from '../../src/sessions/store/redis/redis-supervisor.ts';
import { StoreStatus } from '../../src/sessions/store/redis/store-status.ts';
import { SessionTable } from '../../src/sessions/table/table.ts';
import { UserIndex } from '../../src/sessions/users/user-index.ts';
import { BackendLives } from '../../src/supervisor/reload/backend-lives.ts';
import { testPool } from '../backends/test-pool.ts';
import type { StoreNode } from '../contracts/session-store.ts';

const SECRET = Buffer.alloc(32, 'ab');

/** A node with one worker, in this process: what `store: redis` is made of, without listeners. */
export interface RedisNode extends StoreNode {
  readonly store: RedisStore;
  readonly status: StoreStatus;
  readonly supervisor: RedisSupervisor;
  readonly restarts: Restarts;
  /** Lives that have ended, by whom and by which sign it was told, such as `a refused`. */
  readonly ended: string[];
  /** How many connections it has to a backend, `pool/id`. */
  readonly standing: Map<string, number>;
  /** Lines of its log, parsed. */
  readonly log: Record<string, unknown>[];
  close(): Promise<void>;
}

/** @param order of the backends: nodes number them each in its own way */
export async function openRedisNode(
  config: Partial<RedisConfig> & Pick<RedisConfig, 'url'>,
  order: string,
  secrets: readonly Uint8Array[] = [SECRET],
  sessions = 20_000,
): Promise<RedisNode> {
  const full: RedisConfig = { sentinels: [], cluster: [], prefix: 'limpet:', whenDown: 'local', ...config };
  const { pool, state } = testPool([...order].map((id) => ({ id })));
  const memory = SessionTable.allocate(sessions, 256, 4, 4, true);
  const table = new SessionTable(memory, 1);
  table.setLimits(pool.index, pool.config.session.idle, pool.config.session.lifetime);
  const log: Record<string, unknown>[] = [];
  const ended: string[] = [];
  const standing = new Map<string, number>();
  const logger = createLogger('info', { write: (lines) => log.push(JSON.parse(lines) as Record<string, unknown>) });
  const pools = (): readonly Pool[] => [pool];
  const supervisor = new RedisSupervisor({
    config: full,
    table,
    memory,
    workers: 1,
    pools,
    log: logger,
    standing: (name) => standing.get(name) ?? 0,
    now: Date.now,
  });
  const { node, status: statusMemory } = supervisor.shared;
  const status = new StoreStatus(statusMemory);
  const worker = new SessionTable(memory, 2);
  const users = new UserIndex(UserIndex.allocate(sessions), worker, 2);
  const store = new RedisStore({
    config: full,
    table: worker,
    users,
    status,
    node,
    worker: 0,
    log: logger,
    now: Date.now,
  });
  const restarts = new Restarts({
    count: (_pool, id, sign) => ended.push(`${id} ${sign}`),
    log: { warn: () => {} },
    ask: (backend, life) => void concludeRefusal(supervisor, restarts, backend, life),
    onEnd: () => supervisor.flush(),
    now: Date.now,
  });
  const lives = new BackendLives({ pools: [pool] }, state, restarts);
  const close = async (): Promise<void> => {
    store.stop();
    await supervisor.stop();
  };
  try {
    await supervisor.connect({ secrets, warning: null }, true);
    await supervisor.learnLives(lives);
    supervisor.run();
    await store.start();
  } catch (error) {
    await close();
    throw error;
  }
  return { store, table: worker, pool, status, supervisor, restarts, ended, standing, log, close };
}
