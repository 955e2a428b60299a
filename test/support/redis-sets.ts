import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { RedisServer } from './redis.ts';

/** Several servers that belong together. */
export interface RedisSet {
  readonly servers: readonly RedisServer[];
  /** The value of `sessions.redis` for it, without prefix. */
  readonly config: {
    readonly url: string;
    readonly sentinels: readonly { readonly host: string; readonly port: number; readonly name: string }[];
    readonly cluster: readonly { readonly host: string; readonly port: number }[];
  };
  stop(): Promise<void>;
}

/** A master with a replica, and three Sentinels that watch them. The first server is the master. */
export async function startSentinels(): Promise<RedisSet> {
  const master = await RedisServer.start();
  const replica = await RedisServer.start(['--replicaof', '127.0.0.1', String(master.port)]);
  await eventually(
    'the replica to follow',
    async () => (await replica.client.info('replication')).includes('master_link_status:up'),
    30_000,
  );
  const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.startSentinel(master.port)));
  for (const sentinel of sentinels) {
    await eventually(
      'the Sentinels to find each other',
      async () => {
        const state = (await sentinel.client.call('SENTINEL', 'MASTER', 'mymaster')) as string[] | Map<string, string>;
        const fields = Array.isArray(state) ? state : [...state].flat();
        const value = (name: string): string => fields[fields.indexOf(name) + 1]!;
        return value('num-other-sentinels') === '2' && value('num-slaves') === '1';
      },
      30_000,
    );
  }
  const servers = [master, replica, ...sentinels];
  return {
    servers,
    config: {
      url: 'redis://127.0.0.1:1/0',
      sentinels: sentinels.map(({ port }) => ({ host: '127.0.0.1', port, name: 'mymaster' })),
      cluster: [],
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** A Cluster of three masters. */
export async function startCluster(): Promise<RedisSet> {
  const servers: RedisServer[] = [];
  const buses: number[] = [];
  for (let n = 0; n < 3; n++) {
    const bus = await freePort();
    buses.push(bus);
    servers.push(
      await RedisServer.start([
        '--cluster-enabled',
        'yes',
        '--cluster-port',
        String(bus),
        '--cluster-node-timeout',
        '1000',
        '--cluster-config-file',
        'nodes.conf',
      ]),
    );
  }
  const share = Math.ceil(16_384 / servers.length);
  for (const [n, server] of servers.entries()) {
    const last = Math.min(share * (n + 1), 16_384) - 1;
    await server.client.call('CLUSTER', 'ADDSLOTSRANGE', String(share * n), String(last));
    if (n > 0) await server.client.call('CLUSTER', 'MEET', '127.0.0.1', String(servers[0]!.port), String(buses[0]));
  }
  for (const server of servers) {
    await eventually(
      'the Cluster to be whole',
      async () => {
        const info = String(await server.client.call('CLUSTER', 'INFO'));
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:3');
      },
      30_000,
    );
  }
  return {
    servers,
    config: {
      url: 'redis://127.0.0.1:1/0',
      sentinels: [],
      cluster: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
