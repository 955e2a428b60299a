/**
 * The sessions of all nodes that share a Redis, as one worker asks for them. Longer than 400 lines because every
 * question of SessionStore has its answer here, with what becomes of it when nobody answers.
 */
import type { Backend } from '../../../backends/backend.ts';
import { boundBackend } from '../../../backends/bound-backend.ts';
import type { Pool } from '../../../backends/pool.ts';
import { Key } from '../../../keys/key.ts';
import { format, parse } from '../../../keys/public-id.ts';
import type { Logger } from '../../../logging/logger.ts';
import { Deadline } from '../../../timing/deadline.ts';
import { threadWheel } from '../../../timing/thread-wheel.ts';
import { Lookup } from '../../table/lookup.ts';
import { Row } from '../../table/row.ts';
import type { SessionTable } from '../../table/table.ts';
import type { UserWords } from '../../table/user-words.ts';
import type { UserIndex, UserVerdict } from '../../users/user-index.ts';
import { bindLearned, claimHere, endHere } from '../memory-store.ts';
import { Claim, type SessionStore, type UserAnswer, type UserClaim } from '../store.ts';
import { applyStoredSession, backendNamed, idOf, insert } from './apply-stored-session.ts';
import { type RedisConfig, RedisConnection } from './connection.ts';
import { type Ask, PendingLookups } from './pending-lookups.ts';
import { FORGET_MS, keepMs, limit } from './session-times.ts';
import type { StoreStatus } from './store-status.ts';
import { formatHashes, readStoredSession, type StoredSession } from './stored-session.ts';
import { UserClaims } from './user-claims.ts';
import { within } from './within.ts';

/** The longest that a request waits for Redis. */
const STORE_TIMEOUT_MS = 500;
/** The longest that a starting worker waits for its connection. */
const START_MS = 2_000;
/** In place of a key source: the one that stands in Redis. */
const BY_STORED = -1;
/** Between two log lines about the same trouble. */
const QUIET_MS = 10_000;

/** What a RedisStore is made from. */
interface RedisStoreParts {
  readonly config: RedisConfig;
  readonly table: SessionTable;
  /** As this worker has it. */
  readonly users: UserIndex;
  /** Shared by all threads of this node. */
  readonly status: StoreStatus;
  /** Name of this node: random text without line feeds, the same in all its threads. */
  readonly node: string;
  /** Index of this worker. */
  readonly worker: number;
  readonly log: Logger;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
}

/**
 * Sessions shared by nodes through Redis, as one worker sees them. It asks only about keys that its node does not know,
 * for at most PATIENCE_MS; what it tells Redis it does not wait for. Whatever goes wrong puts the breaker down (see
 * StoreStatus), and the node goes on by itself; the supervisor brings it all together later.
 */
export class RedisStore implements SessionStore {
  readonly #parts: RedisStoreParts;
  readonly #table: SessionTable;
  readonly #users: UserIndex;
  readonly #userClaims: UserClaims;
  readonly #status: StoreStatus;
  readonly #sessions: string;
  readonly #changes: string;
  readonly #rejects: boolean;
  readonly #asks = new PendingLookups(STORE_TIMEOUT_MS, () =>
    this.#trip(new Error(`no answer within ${STORE_TIMEOUT_MS} ms`)),
  );
  readonly #row = new Row();
  #connection: RedisConnection | null = null;
  #quietUntil = 0;
  #stopped = false;

  constructor(parts: RedisStoreParts) {
    this.#parts = parts;
    this.#table = parts.table;
    this.#users = parts.users;
    this.#userClaims = new UserClaims(parts.config.prefix);
    this.#status = parts.status;
    this.#sessions = `${parts.config.prefix}s:`;
    this.#changes = `${parts.config.prefix}changes`;
    this.#rejects = parts.config.whenDown === 'reject';
  }

  get shared(): boolean {
    return this.#reachable() !== null;
  }

  get refuses(): boolean {
    return this.#rejects && !this.#status.up;
  }

  async start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const deadline = new Deadline(START_MS, resolve);
    try {
      const { worker } = this.#parts;
      const connection = await RedisConnection.open(this.#parts.config, {
        onReady: () => {
          this.#status.setConnected(worker, true);
          resolve();
        },
        onTrouble: () => this.#status.setConnected(worker, this.#stopped || this.#connection?.ready === true),
      });
      if (this.#stopped) return connection.close();
      this.#connection = connection;
      await promise;
    } catch (error) {
      this.#trip(error);
    } finally {
      deadline.cancel();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#status.setConnected(this.#parts.worker, true);
    this.#connection?.close();
    this.#connection = null;
    this.#giveUp();
  }

  claim(
    key: Key,
    pool: Pool,
    backend: Backend,
    by: number,
    now: number,
    row: Row,
    binding = 0,
  ): Claim | Promise<Claim> {
    const connection = this.#reachable();
    if (connection === null && this.#rejects) return Claim.refused;
    const { slot, life } = backend;
    const made = this.#table.claim(key, pool.index, slot, life.stamp, by, now, row, true, connection !== null, binding);
    if (!made) return row.pending ? this.join(key, pool, row, now) : Claim.bound;
    if (connection === null) return Claim.made;
    return this.#ask(connection, key, pool, backend.id, slot, life.number, by, now, true, true, now, binding);
  }

  join(key: Key, pool: Pool, row: Row, now: number): Claim | Promise<Claim> {
    const connection = this.#reachable();
    if (connection === null && this.#rejects) return Claim.refused;
    const bound = boundBackend(pool, row);
    if (connection === null || bound === null) {
      this.#table.clearPending(key);
      return this.#table.peek(key, now, row) === Lookup.LIVE ? Claim.bound : Claim.unknown;
    }
    const life = bound.life.numberOf(row.generation);
    return this.#ask(connection, key, pool, bound.id, row.backend, life, row.by, row.created, true, false, now);
  }

  recall(
    key: Key,
    pool: Pool,
    backend: Backend | null,
    by: number,
    created: number,
    now: number,
    stamp = backend?.life.stamp ?? 0,
  ): Claim | Promise<Claim> {
    const connection = this.#reachable();
    if (connection === null) return this.#rejects ? Claim.refused : Claim.unknown;
    const life = backend?.life.numberOf(stamp) ?? 0;
    return this.#ask(
      connection,
      key,
      pool,
      backend?.id ?? '',
      backend?.slot ?? -1,
      life,
      by,
      created,
      false,
      false,
      now,
    );
  }

  adopt(
    key: Key,
    pool: Pool,
    home: Backend | null,
    backend: Backend,
    by: number,
    created: number,
    reason: number,
    now: number,
    row: Row,
    stamp = (home ?? backend).life.stamp,
  ): void {
    const first = home ?? backend;
    const { life } = backend;
    this.#table.adopt(key, pool.index, first.slot, home === null ? life.stamp : stamp, by, created, now, row);
    if (home === backend || row.state !== Lookup.LIVE) return;
    if (home !== null) {
      this.#table.move(key, home.slot, backend.slot, life.stamp, reason, now, row, stamp);
    }
    this.#tellMove(key, pool, home?.id ?? '', backend, row, now, false);
  }

  attach(key: Key, session: Key, row: Row, by: number, now: number): void {
    this.#table.join(key, session, row, by, now);
  }

  bind(key: Key, pool: Pool, backend: Backend, by: number, now: number): void {
    bindLearned(this.#table, this.#row, key, pool, backend, by, now);
    this.#table.clearPending(key);
    this.#tellMove(key, pool, '', backend, this.#row, now, true);
  }

  move(key: Key, pool: Pool, backend: Backend, reason: number, now: number, row: Row): void {
    const from = idOf(pool, row.backend, row.generation) ?? '';
    this.#table.move(key, row.backend, backend.slot, backend.life.stamp, reason, now, row, row.generation);
    this.#tellMove(key, pool, from, backend, row, now, false);
  }

  release(key: Key, pool: Pool, slot: number): void {
    if (!this.#table.release(key, slot)) return;
    const id = pool.bySlot[slot]?.id;
    const connection = this.#reachable();
    if (connection === null || id === undefined) return;
    this.#tell(connection.scripts.limpetRelease(this.#sessions + format(key), this.#parts.node, id));
  }

  end(key: Key, pool: Pool, created: number, until: number, now: number): boolean {
    const ended = endHere(this.#table, this.#row, key, pool, until, now);
    const connection = this.#reachable();
    if (connection === null) return ended;
    const id = format(key);
    const end = Math.ceil(Math.max(until, now + FORGET_MS));
    this.#tell(
      connection.scripts.limpetEnd(
        this.#sessions + id,
        this.#changes,
        this.#parts.node,
        id,
        pool.name,
        Math.floor(created),
        end,
        now,
      ),
    );
    return ended;
  }

  get remembersEnds(): boolean {
    return this.#reachable() !== null;
  }

  claimUser(claim: UserClaim, now: number): UserAnswer {
    const connection = this.#reachable();
    if (connection === null) return { verdict: claimHere(this.#users, claim, now), later: null };
    // Too many here are too many. But which of them has to end only Redis can say, or two would end for one.
    const { max, whenFull } = claim.pool.config.session.perUser;
    const most = whenFull === 'refuse' ? max : Number.POSITIVE_INFINITY;
    const verdict = this.#users.claim(claim.key, claim.user, most, 'refuse', now, claim.hold);
    if (!verdict.granted) return { verdict, later: null };
    return { verdict, later: this.#askUser(connection, claim, now) };
  }

  dropUser(key: Key, pool: Pool, user: UserWords, created: number, now: number): void {
    this.#users.drop(key, user, now);
    const connection = this.#reachable();
    if (connection !== null) this.#tell(this.#userClaims.drop(connection, key, pool, user, created));
  }

  renameUser(from: Key, to: Key, pool: Pool, user: UserWords, created: number, now: number): void {
    const connection = this.#reachable();
    if (connection !== null) this.#tell(this.#userClaims.rename(connection, from, to, pool, user, created, now));
  }

  /** When nobody answers in time this node decides by itself. */
  async #askUser(connection: RedisConnection, claim: UserClaim, now: number): Promise<UserVerdict> {
    const key = new Key();
    key.copy(claim.key);
    try {
      const verdict = await within(STORE_TIMEOUT_MS, () => this.#userClaims.claim(connection, { ...claim, key }, now));
      if (!verdict.granted) this.#users.drop(key, claim.user, now);
      return verdict;
    } catch (error) {
      this.#trip(error);
      return claimHere(this.#users, { ...claim, key }, this.#parts.now());
    }
  }

  /**
   * `row` is what the table has now: another request may have moved the session elsewhere, and then it has told so
   * itself.
   */
  #tellMove(key: Key, pool: Pool, from: string, backend: Backend, row: Row, now: number, anew: boolean): void {
    const connection = this.#reachable();
    if (connection === null || row.state !== Lookup.LIVE || row.backend !== backend.slot) return;
    const id = format(key);
    const copy = new Key();
    copy.copy(key);
    const { created, moves, by } = row;
    this.#tell(
      connection.scripts
        .limpetMove(
          this.#sessions + id,
          this.#changes,
          this.#parts.node,
          id,
          pool.name,
          from,
          backend.id,
          by,
          Math.floor(created),
          moves,
          now,
          keepMs(pool, created, now),
          anew ? 1 : 0,
          backend.life.numberOf(row.generation),
        )
        .then((answer) => {
          const stored = readStoredSession(answer);
          if (stored !== null) applyStoredSession(this.#table, copy, pool, stored, this.#parts.now());
        }),
    );
  }

  #tell(answer: Promise<unknown>): void {
    answer.catch((error: unknown) => this.#trip(error));
  }

  /** The connection, when there is a point in asking. */
  #reachable(): RedisConnection | null {
    return this.#connection !== null && this.#status.up && this.#connection.ready ? this.#connection : null;
  }

  #ask(
    connection: RedisConnection,
    key: Key,
    pool: Pool,
    backend: string,
    slot: number,
    life: number,
    by: number,
    created: number,
    claims: boolean,
    made: boolean,
    now: number,
    binding = 0,
    over = '',
  ): Promise<Claim> {
    const { promise, resolve } = Promise.withResolvers<Claim>();
    const ask: Ask = {
      key: new Key(),
      pool,
      by,
      claims,
      made,
      slot,
      deadline: threadWheel.at(STORE_TIMEOUT_MS),
      resolve,
    };
    ask.key.copy(key);
    this.#asks.add(ask);
    const { idle, lifetime } = pool.config.session;
    connection.scripts
      .limpetClaim(
        this.#sessions + format(key),
        this.#parts.node,
        pool.name,
        backend,
        by,
        Math.floor(Math.min(created, now)),
        now,
        limit(idle),
        limit(lifetime),
        keepMs(pool, created, now),
        claims ? 1 : 0,
        claims ? 1 : 0,
        formatHashes(binding, 0, 0),
        over,
        life === 0 ? '' : life,
      )
      .then((answer) => this.#answered(ask, readStoredSession(answer)))
      .catch((error: unknown) => {
        if (this.#asks.has(ask)) this.#trip(error);
      });
    return promise;
  }

  #answered(ask: Ask, stored: StoredSession | null): void {
    // Late: the request has gone on without it.
    if (!this.#asks.take(ask)) return;
    try {
      if (stored === null) throw new Error('what the shared store has under this key is no session');
      if (stored.joined === '' || stored.verdict !== 'stands') ask.resolve(this.#settle(ask, stored));
      else void this.#ofSession(ask, stored).then(ask.resolve);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a session of the shared store could not be taken into the table');
      ask.resolve(this.#decideLocally(ask));
    }
  }

  /** A key that is another name of a session: that one is what counts, as long as it is there. Never rejects. */
  async #ofSession(ask: Ask, { joined, by, created }: StoredSession): Promise<Claim> {
    const { key, pool, claims, made, slot } = ask;
    const session = new Key();
    const row = new Row();
    try {
      let said: Claim = Claim.unknown;
      if (parse(joined, session)) {
        const known = this.#table.peek(session, this.#parts.now(), row) === Lookup.LIVE;
        said = known ? Claim.bound : await this.recall(session, pool, null, BY_STORED, 0, this.#parts.now());
      }
      const now = this.#parts.now();
      if (
        said === Claim.bound &&
        this.#table.peek(session, now, row) === Lookup.LIVE &&
        Math.floor(row.created) <= created
      ) {
        if (made) this.#table.release(key, slot);
        this.#table.join(key, session, row, by, now);
        return Claim.joined;
      }
      if (said === Claim.refused || said === Claim.elsewhere) {
        if (claims && said === Claim.elsewhere) this.#table.clearPending(key);
        else if (made) this.#table.release(key, slot);
        return said;
      }
      // That session is over: the key may begin one of its own.
      const connection = this.#reachable();
      const backend = pool.bySlot[slot];
      if (!claims) return Claim.unknown;
      if (connection === null || backend === undefined) return this.#decideLocally(ask);
      const { binding } = this.#table.peek(key, now, row) === Lookup.LIVE ? row : { binding: 0 };
      const life = backend.life.number;
      return await this.#ask(
        connection,
        key,
        pool,
        backend.id,
        slot,
        life,
        ask.by,
        now,
        true,
        made,
        now,
        binding,
        joined,
      );
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a session of the shared store could not be taken into the table');
      return this.#decideLocally(ask);
    }
  }

  #settle(ask: Ask, stored: StoredSession): Claim {
    const { key, pool, claims } = ask;
    const by = ask.by === BY_STORED ? stored.by : ask.by;
    const now = this.#parts.now();
    if (stored.verdict === 'none') return Claim.unknown;
    if (stored.verdict === 'ended') {
      insert(this.#table, key, pool, null, stored, by, now);
      return Claim.ended;
    }
    const backend = backendNamed(pool, stored);
    if (backend === null) {
      if (claims) this.#table.clearPending(key);
      return Claim.elsewhere;
    }
    const { slot, life } = backend;
    const stamp = life.stampBy(stored.life, stored.lastSeen, now);
    const { created, moves, provisional } = stored;
    const settled =
      claims && this.#table.applyStoreAnswer(key, slot, stamp, created, moves, now, this.#row, !provisional);
    if (ask.made && stored.verdict === 'stands') {
      this.#table.clearClaimed(key, stored.lastSeen);
      // Made for this client, but it is the session of the one that it began with.
      if (stored.binding !== 0) this.#table.setBinding(key, stored.binding);
      if ((stored.userA | stored.userB) !== 0) this.#table.setUser(key, stored.userA, stored.userB);
    }
    if (!settled) insert(this.#table, key, pool, backend, stored, by, now);
    return claims && stored.verdict === 'made' ? Claim.made : Claim.bound;
  }

  /** The breaker goes down, and all who wait go on at once. */
  #trip(error: unknown): void {
    const { log, now } = this.#parts;
    if (this.#stopped) return this.#giveUp();
    this.#status.set(false, now());
    if (now() >= this.#quietUntil) {
      this.#quietUntil = now() + QUIET_MS;
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ reason }, 'the shared session store does not do its part');
    }
    this.#giveUp();
  }

  #giveUp(): void {
    for (const ask of this.#asks.takeAll()) ask.resolve(this.#decideLocally(ask));
  }

  /** What becomes of a question that nobody answers. */
  #decideLocally({ key, claims, made, slot }: Ask): Claim {
    if (this.#rejects) {
      if (made) this.#table.release(key, slot);
      return Claim.refused;
    }
    if (!claims) return Claim.unknown;
    this.#table.clearPending(key);
    return made ? Claim.made : Claim.bound;
  }
}
