import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { parseRedisUrl } from '../../../config/redis-url.ts';
import type { SessionsConfig } from '../../../config/schema.ts';
import { guardSilence } from './guard-silence.ts';
import { SCRIPTS, type Scripts } from './scripts.ts';

/** `sessions.redis`, when it is there. */
export type RedisConfig = NonNullable<SessionsConfig['redis']>;

/** The longest pause before another attempt to connect, ms. */
const LONGEST_PAUSE = 500;
/** A connection that owes an answer for so long is given up and made anew: its other end may be gone without a word. */
const SILENCE = 5_000;
const CONNECT_TIMEOUT = 2_000;
/** So often a Cluster is asked which master has what, ms. */
const SLOTS_REFRESH = 2_000;
/** Keys that are written to see whether a Cluster is whole: with so many, all masters have one. */
const CLUSTER_PROBES = 16;

/** What a connection tells of itself. */
interface ConnectionEvents {
  /** It can be used, for the first time or again. */
  readonly onReady?: () => void;
  /** It was lost, or could not be made; more attempts follow. */
  readonly onTrouble?: (error: Error) => void;
  /** A message on a channel that it has subscribed to. */
  readonly onMessage?: (channel: string, text: string) => void;
}

/**
 * A connection to the Redis or Valkey that nodes share: one server, the master that Sentinels name, or a Cluster. It
 * connects again by itself, for ever. A command that cannot be sent now fails now: nothing waits in a queue for better
 * times.
 */
export class RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #prefix: string;
  readonly #slotsRefresh: NodeJS.Timeout | null = null;
  #closed = false;
  /** A Cluster: a script may have one key only. */
  readonly cluster: boolean;
  readonly scripts: Scripts;

  /** Begins to connect. The library is loaded here: without `store: redis` it never is. */
  static async open(config: RedisConfig, events: ConnectionEvents = {}): Promise<RedisConnection> {
    const library = await import('ioredis');
    const client = clientOf(library, config);
    return new RedisConnection(client, config, events);
  }

  private constructor(client: Redis | Cluster, config: RedisConfig, events: ConnectionEvents) {
    this.#client = client;
    this.#prefix = config.prefix;
    this.cluster = config.cluster.length > 0;
    for (const [name, definition] of Object.entries(SCRIPTS)) client.defineCommand(name, definition);
    this.scripts = client as unknown as Scripts;
    guardSilence(client, SILENCE);
    // Without a listener an error would end the thread.
    let why = new Error('the connection was closed');
    client.on('error', (error: Error) => {
      why = error;
      events.onTrouble?.(error);
    });
    client.on('close', () => events.onTrouble?.(why));
    client.on('ready', () => {
      why = new Error('the connection was closed');
      events.onReady?.();
    });
    // The library gives up for good where it believes that trying again is no use. A store that comes back one day is
    // used again.
    client.on('end', () => {
      if (this.#closed) return;
      setTimeout(() => {
        if (!this.#closed) client.connect().catch(() => {});
      }, LONGEST_PAUSE).unref();
    });
    if (events.onMessage !== undefined) client.on('message', events.onMessage);
    // The library can do this itself, but goes on for good when it is closed while an answer is on its way.
    if ('refreshSlotsCache' in client) {
      this.#slotsRefresh = setInterval(() => {
        if (this.ready) client.refreshSlotsCache();
      }, SLOTS_REFRESH).unref();
    }
  }

  /** Whether a command would be sent. */
  get ready(): boolean {
    return this.#client.status === 'ready';
  }

  /** Writes something wherever sessions may be, and runs a script. Rejects when that does not work. */
  async probe(node: string): Promise<void> {
    const count = this.cluster ? CLUSTER_PROBES : 1;
    await Promise.all([
      this.scripts.limpetRelease(`${this.#prefix}probe`, '', ''),
      ...Array.from({ length: count }, (_, i) => this.#client.set(`${this.#prefix}probe:${i}`, node, 'PX', 60_000)),
    ]);
  }

  /** Answers how many connections hear it, of those to the same server. */
  async publish(channel: string, text: string): Promise<number> {
    return await this.#client.publish(channel, text);
  }

  async subscribe(...channels: string[]): Promise<void> {
    await this.#client.subscribe(...channels);
  }

  /** The values of these fields of a hash, each null when it is not there. */
  async fields(key: string, ...names: string[]): Promise<(string | null)[]> {
    return await this.#client.hmget(key, ...names);
  }

  /** All fields of a hash. */
  async all(key: string): Promise<Record<string, string>> {
    return await this.#client.hgetall(key);
  }

  async dropFields(key: string, names: readonly string[]): Promise<void> {
    await this.#client.hdel(key, ...names);
  }

  /** Writes a key that expires after so many ms. */
  async keep(key: string, value: string, ms: number): Promise<void> {
    await this.#client.set(key, value, 'PX', ms);
  }

  /** What a key holds; null: there is none. */
  async value(key: string): Promise<string | null> {
    return await this.#client.get(key);
  }

  /** Writes a key that is not there yet. Answers what it holds after that. */
  async setOnce(key: string, value: string): Promise<string> {
    const set = await this.#client.set(key, value, 'NX');
    if (set !== null) return value;
    return (await this.#client.get(key)) ?? value;
  }

  close(): void {
    this.#closed = true;
    if (this.#slotsRefresh !== null) clearInterval(this.#slotsRefresh);
    this.#client.disconnect();
  }
}

/** Says true once in a while: many commands get the same answer, and one of them is enough to connect again. */
function seldom(ms: number): () => boolean {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - last < ms) return false;
    last = now;
    return true;
  };
}

type Library = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>;

function clientOf(library: Library, config: RedisConfig): Redis | Cluster {
  const address = parseRedisUrl(config.url);
  // The checks of the configuration have read it already.
  if ('error' in address) throw new Error(`sessions.redis.url ${address.error}`);
  const retryStrategy = (times: number): number => Math.min(times * 50, LONGEST_PAUSE);
  const common = {
    protocol: 2 as const,
    replyMapping: 'legacy' as const,
    connectTimeout: CONNECT_TIMEOUT,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    connectionName: 'limpet',
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password }),
    ...(address.tls ? { tls: {} } : {}),
  } satisfies RedisOptions;
  if (config.cluster.length > 0) {
    const options = {
      clusterRetryStrategy: retryStrategy,
      enableOfflineQueue: false,
      // A command is tried again within the time that anybody waits for it, and no longer.
      maxRedirections: 4,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 50,
      retryDelayOnTryAgain: 50,
      slotsRefreshTimeout: CONNECT_TIMEOUT,
      redisOptions: common,
    } satisfies ClusterOptions;
    return new library.Cluster([...config.cluster], options);
  }
  const firstOfMany = seldom(LONGEST_PAUSE / 2);
  const options = {
    ...common,
    db: address.db,
    enableOfflineQueue: false,
    retryStrategy,
    // A master that has become a replica: ask again who is master, or connect again through whatever stands in front.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY') && firstOfMany(),
  } satisfies RedisOptions;
  if (config.sentinels.length === 0) return new library.Redis({ ...options, host: address.host, port: address.port });
  return new library.Redis({
    ...options,
    sentinels: config.sentinels.map(({ host, port }) => ({ host, port })),
    name: config.sentinels.find(({ name }) => name !== undefined)?.name ?? '',
    sentinelRetryStrategy: retryStrategy,
    failoverDetector: true,
    ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
  });
}
