import type { Backend } from '../../backends/backend.ts';
import type { Pool } from '../../backends/pool.ts';
import { Key } from '../../keys/key.ts';
import { format, parse } from '../../keys/public-id.ts';
import type { SharedSession } from '../../sessions/store/shared-session.ts';
import { Claim, type SessionStore, type UserAnswer } from '../../sessions/store/store.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { Row } from '../../sessions/table/row.ts';
import { GRANTED } from '../../sessions/users/user-index.ts';
import type { ReadOnlyTable } from './read-only-table.ts';
import type { Trail } from './trail.ts';

/** The store that nodes share, as far as it can be asked without changing anything. */
export interface SharedSessions {
  /** Sessions are refused while it is down. */
  readonly refuses: boolean;
  /** Null: it has none of this public id, or does not answer. Never rejects. */
  lookup(id: string): Promise<SharedSession | null>;
}

/**
 * A session store that is asked and never told: what it would make of a session is imagined in the view of the table.
 */
export class ReadOnlyStore implements SessionStore {
  readonly #table: ReadOnlyTable;
  readonly #shared: SharedSessions | null;
  readonly #trail: Trail;

  /** @param shared null: sessions are in this process's memory alone */
  constructor(table: ReadOnlyTable, shared: SharedSessions | null, trail: Trail) {
    this.#table = table;
    this.#shared = shared;
    this.#trail = trail;
  }

  get remembersEnds(): boolean {
    return this.#shared !== null;
  }

  get shared(): boolean {
    return this.#shared !== null;
  }

  get refuses(): boolean {
    return this.#shared?.refuses ?? false;
  }

  claim(key: Key, pool: Pool, backend: Backend, by: number, now: number, row: Row): Claim | Promise<Claim> {
    if (this.#table.peek(key, now, row) === Lookup.LIVE) return Claim.bound;
    const own = copyOf(key);
    const make = (): Claim => {
      const { slot, life } = backend;
      const bound = { pool: pool.index, backend: slot, generation: life.stamp };
      const made = Object.assign(new Row(), { ...bound, by, created: now });
      this.#table.imagine(
        own,
        Object.assign(made, { state: Lookup.LIVE, lastSeen: now, requests: 1, provisional: true }),
      );
      return Claim.made;
    };
    const shared = this.#shared;
    if (shared !== null) return this.#ask(shared, key, pool, now, make);
    make();
    this.#table.peek(key, now, row);
    return Claim.made;
  }

  join(key: Key, pool: Pool, row: Row, now: number): Claim | Promise<Claim> {
    const own = copyOf(key);
    const settledRow = Object.assign(new Row(), row, { pending: false });
    const settled = (): Claim => {
      this.#table.imagine(own, settledRow);
      return Claim.bound;
    };
    if (this.#shared === null) return settled();
    return this.#ask(this.#shared, key, pool, now, settled);
  }

  recall(
    key: Key,
    pool: Pool,
    _backend: Backend | null,
    _by: number,
    _created: number,
    now: number,
  ): Claim | Promise<Claim> {
    return this.#shared === null ? Claim.unknown : this.#ask(this.#shared, key, pool, now, () => Claim.unknown);
  }

  adopt(): void {}

  attach(): void {}

  bind(): void {}

  move(): void {}

  release(): void {}

  end(): boolean {
    return false;
  }

  claimUser(): UserAnswer {
    return { verdict: GRANTED, later: null };
  }

  dropUser(): void {}

  renameUser(): void {}

  async start(): Promise<void> {}

  stop(): void {}

  /** @param otherwise what is so when the store knows nothing of it */
  async #ask(shared: SharedSessions, key: Key, pool: Pool, now: number, otherwise: () => Claim): Promise<Claim> {
    const id = format(key);
    const own = copyOf(key);
    const known = await shared.lookup(id);
    const { idle, lifetime } = pool.config.session;
    const live =
      known !== null && known.pool === pool.name && now - known.lastSeen < idle && now - known.created < lifetime;
    const session = live ? await this.#sessionOf(shared, pool, known, now) : null;
    const answer = session === null ? otherwise() : this.#take(own, pool, session, now);
    this.#trail.push({ kind: 'ask', id, answer });
    return answer;
  }

  /** Of another name of a session: that one, where it is there. */
  async #sessionOf(
    shared: SharedSessions,
    pool: Pool,
    known: SharedSession,
    now: number,
  ): Promise<SharedSession | null> {
    const { joined = '' } = known;
    if (joined === '') return known;
    const key = new Key();
    const row = new Row();
    const session = await shared.lookup(joined);
    if (session === null || session.pool !== pool.name || !parse(joined, key)) return null;
    // What this node knows of it is the later word.
    const found = this.#table.peek(key, now, row);
    if (found === Lookup.NONE) this.#take(key, pool, session, now);
    return found === Lookup.NONE || found === Lookup.LIVE ? { ...session, joined } : null;
  }

  #take(
    key: Key,
    pool: Pool,
    { backend: name, by, created, lastSeen, moves, life, joined = '' }: SharedSession,
    now: number,
  ): Claim {
    const backend = pool.byId.get(name);
    const row = Object.assign(new Row(), { pool: pool.index, by, created, lastSeen, moves, state: Lookup.LIVE });
    const session = new Key();
    if (parse(joined, session)) {
      const { a, b, c, d } = session;
      Object.assign(row, { joined: true, sessionA: a, sessionB: b, sessionC: c, sessionD: d });
    }
    row.backend = backend?.slot ?? -1;
    row.generation = backend?.life.stampBy(life, lastSeen, now) ?? 0;
    this.#table.imagine(key, row);
    if (row.joined) return Claim.joined;
    return backend === undefined ? Claim.elsewhere : Claim.bound;
  }
}

/** The caller's key is scratch, and an answer comes later. */
function copyOf(key: Key): Key {
  const copy = new Key();
  copy.copy(key);
  return copy;
}
