import { randomBytes } from 'node:crypto';
import type { KnownLives } from '../../../backends/known-lives.ts';
import { StartError } from '../../../errors-start.ts';
import type { Secrets } from '../../../keys/secrets.ts';
import { ChangeReader, countChanged } from '../../table/row-changes.ts';
import type { SharedNames } from '../../users/user-names.ts';
import type { NodeStore, NodeStoreParts, SharedSecrets } from '../node-store.ts';
import type { SharedStore } from '../shared-store.ts';
import type { StoreState } from '../store-state.ts';
import { Changes } from './changes.ts';
import { type RedisConfig, RedisConnection } from './connection.ts';
import { RedisNames } from './redis-names.ts';
import { Refusals } from './refusals.ts';
import { SharedLives } from './shared-lives.ts';
import { type Agreement, agreeOnSecrets } from './shared-secret.ts';
import { StoreStatus } from './store-status.ts';
import { lifeAt, parseStoredSession, type StoredSession } from './stored-session.ts';
import { within } from './within.ts';
import { WriteBehind } from './write-behind.ts';

/** Between two probes, and how long one may take. */
const PROBE_MS = 500;
/**
 * Between two rounds that write what has changed, and how many rounds until requests that only were counted are written
 * too.
 */
const WRITE_MS = 250;
const TOUCH_ROUNDS = 20;
/**
 * How many rounds until all that Redis knows of lives is looked at again: a message may have been missed, or Redis may
 * have lost everything.
 */
const LIVES_ROUNDS = 40;
/** A node that does not hear itself for so long listens anew. */
const DEAF_MS = 5_000;
/** How long a start waits for Redis, and a stop for the last rows. */
const START_MS = 5_000;
const STOP_MS = 2_000;
/** A store that goes down so soon after it came up stays down for longer each time. */
const STEADY_MS = 10_000;
const LONGEST_HOLD_MS = 5_000;
/** How long the workers may take to connect again when the supervisor has. */
const WORKERS_MS = 3_000;

const IN_REDIS =
  'sessions.secretFile is not set: the nodes share a secret that is kept in Redis, so that whoever can read Redis can make cookies; put the same secrets into a file on every node (make one with: openssl rand -base64 32)';

/** What a RedisSupervisor is made from. */
export interface RedisSupervisorParts extends NodeStoreParts {
  readonly config: RedisConfig;
}

/**
 * The supervisor's part of `store: redis`: writes behind what the workers change in the table, hears what other nodes
 * change, and is the one that says that the store is up again after a breaker has tripped. Whenever it may have missed
 * something, it tells everything and takes over what Redis knows better.
 */
export class RedisSupervisor implements NodeStore {
  readonly #parts: RedisSupervisorParts;
  readonly shared: SharedStore;
  readonly names: SharedNames;
  readonly #status: StoreStatus;
  readonly #writeBehind: WriteBehind;
  readonly #changes: Changes;
  readonly #rowChanges: Uint8Array;
  /** Whether a refusal ends a life. */
  readonly #refusals: Refusals;
  /** Null before there are backends. */
  #lives: SharedLives | null = null;
  /** What Redis knows of lives has to be looked at, and be told what this node knows better. */
  #livesDue = true;
  #connection: RedisConnection | null = null;
  #agree: (() => Promise<void>) | null = null;
  #probing: NodeJS.Timeout | null = null;
  #writing: NodeJS.Timeout | null = null;
  #round = 0;
  /** The round that is under way, and whether another one is wanted after it. */
  #write: Promise<void> | null = null;
  #again = false;
  #reached = false;
  #knownUp = false;
  #trouble = '';
  #holdMs = 0;
  #holdUntil = 0;
  #upAt = 0;
  /** Since when probes succeed again; 0: they do not. */
  #soundAt = 0;
  #stopped = false;

  constructor(parts: RedisSupervisorParts) {
    const { memory, config, table, pools, now, standing, log } = parts;
    this.#parts = parts;
    const node = randomBytes(9).toString('base64url');
    this.shared = { node, status: StoreStatus.allocate(parts.workers) };
    this.#status = new StoreStatus(this.shared.status);
    if (memory.changes === null) throw new Error('the session table was allocated without change tracking');
    this.#rowChanges = new Uint8Array(memory.changes);
    const usable = (): RedisConnection | null =>
      this.#connection !== null && this.#status.up && this.#connection.ready ? this.#connection : null;
    this.names = new RedisNames(config.prefix, usable);
    this.#refusals = new Refusals({ prefix: config.prefix, node, connection: usable, standing, log });
    this.#writeBehind = new WriteBehind({ table, prefix: config.prefix, node, pools, now });
    this.#changes = new Changes({
      config,
      table,
      node,
      pools,
      now,
      onBackend: (text) => this.#lives?.hear(text) === true || this.#refusals.hear(text),
      onListening: () => this.#reconcile(),
    });
  }

  async connect({ secrets: own, warning }: Secrets, fromFile: boolean): Promise<SharedSecrets> {
    const { config, log, now } = this.#parts;
    const { node } = this.shared;
    const ready = Promise.withResolvers<void>();
    this.#status.set(false, now());
    const connection = await RedisConnection.open(config, {
      onReady: ready.resolve,
      onTrouble: (error) => {
        this.#trouble = error.message;
        if (this.#knownUp && !this.#stopped) this.#down();
      },
    });
    this.#connection = connection;
    let agreed: Agreement | null = null;
    try {
      agreed = await within(START_MS, () =>
        ready.promise.then(async () => {
          await connection.probe(node);
          return agreeOnSecrets(connection, config.prefix, own, fromFile);
        }),
      );
    } catch (error) {
      // What kept the connection from being made says more than that it took too long.
      if (this.#trouble === '') this.#trouble = this.#reason(error);
      if (error instanceof StartError || !fromFile) {
        this.#close();
        if (error instanceof StartError) throw error;
        throw new StartError(
          `sessions.redis: ${this.#trouble}. Without sessions.secretFile the nodes' secret is kept in Redis, so it has to be up at a start: start it, or set sessions.secretFile`,
        );
      }
      log.warn(
        { reason: this.#trouble },
        'the shared session store cannot be reached: sessions are kept on this node alone until it can',
      );
    }
    const shared: SharedSecrets = {
      ...(agreed ?? { secrets: own, keySecret: own[0]! }),
      warning: fromFile ? warning : IN_REDIS,
    };
    // After Redis has lost everything it is told again.
    this.#agree = async () => {
      const { keySecret } = await agreeOnSecrets(connection, config.prefix, shared.secrets, fromFile);
      if (Buffer.compare(keySecret, shared.keySecret) !== 0)
        throw new StartError('the other nodes hash session keys with another secret: restart this node');
    };
    this.#reached = agreed !== null;
    return shared;
  }

  async learnLives(lives: KnownLives): Promise<void> {
    const { config, now } = this.#parts;
    const shared = new SharedLives({ prefix: config.prefix, node: this.shared.node, lives, now });
    this.#lives = shared;
    const connection = this.#connection;
    if (!this.#reached || connection === null) return;
    await within(PROBE_MS, () => shared.take(connection, true)).catch(() => {});
  }

  run(): void {
    if (this.#reached) this.#up();
    void this.#changes.open();
    this.#probing = setTimeout(() => void this.#probe(), PROBE_MS);
    this.#writing = setTimeout(() => void this.#onWrite(), WRITE_MS);
  }

  get view(): StoreState {
    const changes = this.#rowChanges;
    const { up, since } = this.#status;
    return {
      type: 'redis',
      up,
      since,
      // Looks at every row of the table: only for who wants to know, and not whenever somebody asks whether the store
      // is up.
      get pending() {
        return countChanged(changes, ChangeReader.STORE);
      },
    };
  }

  get refuses(): boolean {
    return this.#parts.config.whenDown === 'reject' && !this.#status.up;
  }

  async lookup(id: string): Promise<StoredSession | null> {
    const { config } = this.#parts;
    const connection = this.#connection;
    if (connection === null || !this.#status.up || !connection.ready) return null;
    try {
      const fields = await within(PROBE_MS, () =>
        connection.fields(`${config.prefix}s:${id}`, 'b', 'c', 's', 'm', 'p', 'e', 'pool', 'k', 'j', 'l'),
      );
      const life = fields.pop() ?? '';
      const joined = fields.pop() ?? '';
      if (fields.includes(null)) return null;
      const stored = parseStoredSession(['stands', ...fields, '', joined, lifeAt(life, fields[2]!)].join('\n'));
      return stored.until > 0 ? null : stored;
    } catch {
      return null;
    }
  }

  hasEnded(name: string, life: number): Promise<boolean> {
    return this.#refusals.hasEnded(name, life);
  }

  flush(): void {
    void this.#writeOnce(2);
  }

  async stop(ms = STOP_MS): Promise<void> {
    if (this.#probing !== null) clearTimeout(this.#probing);
    if (this.#writing !== null) clearTimeout(this.#writing);
    this.#stopped = true;
    this.#changes.close();
    const connection = this.#connection;
    if (connection !== null && this.#status.up) {
      await within(Math.min(ms, STOP_MS), async () => {
        await this.#write;
        await this.#writeBehind.run(connection, 1);
      }).catch(() => {});
    }
    this.#close();
  }

  #close(): void {
    this.#stopped = true;
    this.#changes.close();
    this.#connection?.close();
    this.#connection = null;
  }

  async #probe(): Promise<void> {
    const { node } = this.shared;
    // Tripped by a worker meanwhile.
    if (this.#knownUp && !this.#status.up) this.#down();
    const connection = this.#connection!;
    try {
      if (!connection.ready) throw new Error(this.#trouble === '' ? 'not connected' : this.#trouble);
      await within(PROBE_MS, () => connection.probe(node));
      if (this.#stopped) return;
      await within(PROBE_MS, () => connection.publish(this.#changes.echo, ''));
      if (!this.#stopped && !this.#status.up && this.#mayRise()) this.#up();
    } catch (error) {
      this.#trouble = this.#reason(error);
      this.#soundAt = 0;
      if (!this.#stopped && this.#status.up) this.#down();
    }
    if (this.#stopped) return;
    if (this.#changes.silence > DEAF_MS && this.#status.up) void this.#changes.open();
    this.#probing = setTimeout(() => void this.#probe(), PROBE_MS);
  }

  /** The store is sound again. Workers that are still on their way back to it would decide alone: they get a moment. */
  #mayRise(): boolean {
    const now = performance.now();
    if (this.#soundAt === 0) this.#soundAt = now;
    return now >= this.#holdUntil && (this.#status.allConnected || now - this.#soundAt > WORKERS_MS);
  }

  #up(): void {
    const { log, now } = this.#parts;
    this.#status.set(true, now());
    this.#knownUp = true;
    this.#upAt = performance.now();
    this.#trouble = '';
    log.info({}, 'the shared session store is up');
    this.#reconcile();
  }

  #down(): void {
    const { log, now, config } = this.#parts;
    const at = performance.now();
    this.#status.set(false, now());
    this.#knownUp = false;
    this.#soundAt = 0;
    this.#holdMs = at - this.#upAt < STEADY_MS ? Math.min(Math.max(this.#holdMs * 2, PROBE_MS), LONGEST_HOLD_MS) : 0;
    this.#holdUntil = at + this.#holdMs;
    log.error(
      { reason: this.#trouble === '' ? 'a worker waited in vain' : this.#trouble, whenDown: config.whenDown },
      'the shared session store is down',
    );
  }

  /** Tells Redis everything there is, and takes over what it knows better. */
  #reconcile(): void {
    if (this.#stopped || !this.#status.up) return;
    try {
      this.#parts.table.changeAll();
      this.#writeBehind.addUsers();
    } catch (error) {
      // A thread died with a lock: its rows have their turn when they change.
      this.#parts.log.warn({ err: error }, 'not all sessions could be marked for the shared store');
    }
    void this.#agreeAgain();
    this.#livesDue = true;
    void this.#writeOnce(2);
  }

  async #agreeAgain(): Promise<void> {
    try {
      await this.#agree?.();
    } catch (error) {
      if (error instanceof StartError)
        this.#parts.log.error({ reason: error.message }, 'sessions are not shared with the other nodes');
    }
  }

  async #onWrite(): Promise<void> {
    if (this.#round % LIVES_ROUNDS === 0) this.#livesDue = true;
    if (++this.#round % TOUCH_ROUNDS === 0) await this.#writeOnce(1);
    else await this.#writeOnce(2);
    if (!this.#stopped) this.#writing = setTimeout(() => void this.#onWrite(), WRITE_MS);
  }

  /** One round at a time: one that is wanted while another is under way follows it. */
  async #writeOnce(least: 1 | 2): Promise<void> {
    if (this.#write !== null) {
      this.#again = true;
      return this.#write;
    }
    this.#write = this.#rounds(least);
    await this.#write;
    this.#write = null;
  }

  async #rounds(first: 1 | 2): Promise<void> {
    for (let least = first; ; least = 2) {
      this.#again = false;
      const connection = this.#connection;
      if (this.#stopped || connection === null || !this.#status.up || !connection.ready) return;
      try {
        // Before the sessions that are bound to them.
        await this.#tellLives(connection);
        await this.#writeBehind.run(connection, least);
      } catch (error) {
        this.#trouble = this.#reason(error);
        if (!this.#stopped && this.#status.up) this.#down();
        return;
      }
      if (!this.#again) return;
    }
  }

  async #tellLives(connection: RedisConnection): Promise<void> {
    if (!this.#livesDue) return this.#lives?.tell(connection);
    await this.#lives?.reconcile(connection);
    this.#livesDue = false;
  }

  #reason(error: unknown): string {
    const message = error instanceof Error ? error.message : String(error);
    return message === '' ? 'no answer' : message;
  }
}
