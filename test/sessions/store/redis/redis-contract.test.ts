import { MemoryStore } from '../../../../src/sessions/store/memory-store.ts';
import { SessionTable } from '../../../../src/sessions/table/table.ts';
import { UserIndex } from '../../../../src/sessions/users/user-index.ts';
import { testPool } from '../../../backends/test-pool.ts';
import { type StoreNode, storeContract } from '../../../contracts/session-store.ts';
import { eventually } from '../../../support/eventually.ts';
import { RedisServer } from '../../../support/redis.ts';
import { openRedisNode } from '../../../support/redis-nodes.ts';
import { type RedisSet, startCluster, startSentinels } from '../../../support/redis-sets.ts';

storeContract('memory, two workers', {
  open: async () => {
    const memory = SessionTable.allocate(20_000, 256, 4, 4);
    const users = UserIndex.allocate(20_000);
    const { pool } = testPool([{ id: 'a' }, { id: 'b' }, { id: 'c' }]);
    const node = (owner: number): StoreNode => {
      const table = new SessionTable(memory, owner);
      table.setLimits(pool.index, pool.config.session.idle, pool.config.session.lifetime);
      return { table, pool, store: new MemoryStore(table, new UserIndex(users, table, owner)) };
    };
    return { nodes: [node(2), node(3)], ready: async () => {}, stamp: () => 0, close: async () => {} };
  },
});

async function openNodes(set: RedisSet) {
  const one = await openRedisNode(set.config, 'abc');
  const two = await openRedisNode(set.config, 'xcba');
  return {
    nodes: [one, two] as const,
    ready: () => eventually('the store to be up', () => one.status.up && two.status.up, 30_000),
    stamp: () => one.status.since + two.status.since,
    close: async () => {
      await one.close();
      await two.close();
      await set.stop();
    },
  };
}

storeContract('redis, one server', {
  open: async () => {
    const server = await RedisServer.start();
    return openNodes({
      servers: [server],
      config: { url: server.url, sentinels: [], cluster: [] },
      stop: () => server.stop(),
    });
  },
});

storeContract('redis, a master that Sentinels name', { open: async () => openNodes(await startSentinels()) });

storeContract('redis, a Cluster of three masters', { open: async () => openNodes(await startCluster()) });
