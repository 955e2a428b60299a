import { setImmediate } from 'node:timers/promises';
import { boundBackend } from '../../../backends/bound-backend.ts';
import type { Pool } from '../../../backends/pool.ts';
import { Key } from '../../../keys/key.ts';
import { format } from '../../../keys/public-id.ts';
import type { RowRecord } from '../../table/row-record.ts';
import type { SessionTable } from '../../table/table.ts';
import type { UserWords } from '../../table/user-words.ts';
import { applyStoredSession } from './apply-stored-session.ts';
import type { RedisConnection } from './connection.ts';
import { keepMs } from './session-times.ts';
import { formatHashes, readStoredSession } from './stored-session.ts';
import { UserClaims } from './user-claims.ts';

/** Rows that are taken from the table at once, and sessions that one call of the script gets. */
const ROWS = 2_000;
const KEYS = 100;

/** What a WriteBehind is made from. */
interface WriteBehindParts {
  readonly table: SessionTable;
  readonly prefix: string;
  readonly node: string;
  /** The pools as they run now. */
  readonly pools: () => readonly Pool[];
  readonly now: () => number;
}

interface Entry {
  readonly key: Key;
  readonly pool: Pool;
  readonly id: string;
  readonly text: string;
  /** Null: nobody's, or of a pool without a limit per user. */
  readonly user: UserWords | null;
  readonly created: number;
  readonly lastSeen: number;
}

/** Tells Redis what has changed in the table of this node, and the table where Redis knows better. */
export class WriteBehind {
  readonly #parts: WriteBehindParts;
  readonly #sessions: string;
  readonly #users: UserClaims;
  #adds = false;
  /** Sessions that were told so far. */
  told = 0;

  constructor(parts: WriteBehindParts) {
    this.#parts = parts;
    this.#sessions = `${parts.prefix}s:`;
    this.#users = new UserClaims(parts.prefix);
  }

  /**
   * Writes all rows that have changed, a batch at a time.
   * @param least 2: those that changed; 1: also those that only had requests
   * @throws what Redis answers when it does not do it: some changes count as written by then, so call `changeAll`
   *   before the next try
   */
  async run(connection: RedisConnection, least: 1 | 2): Promise<void> {
    const pools = new Map(this.#parts.pools().map((pool) => [pool.index, pool]));
    const adds = this.#adds;
    for (;;) {
      const entries: Entry[] = [];
      const now = this.#parts.now();
      const taken = this.#parts.table.takeChanged(least, ROWS, (record) => {
        const entry = this.#entry(record, pools.get(record.pool), now);
        if (entry !== null) entries.push(entry);
      });
      await this.#write(connection, entries, adds, now);
      this.told += entries.length;
      if (taken < ROWS) {
        if (adds) this.#adds = false;
        return;
      }
      await setImmediate();
    }
  }

  /** Redis may have missed claims of users: the next run tells it of all the sessions that they have here. */
  addUsers(): void {
    this.#adds = true;
  }

  /** Null: nothing that another node could use. */
  #entry(record: RowRecord, pool: Pool | undefined, now: number): Entry | null {
    if (pool === undefined || record.pending) return null;
    const { lastSeen, created, by, moves, ended } = record;
    const bound = ended ? null : boundBackend(pool, record);
    if (!ended && bound === null) return null;
    const life = bound?.life.numberOf(record.generation) ?? '';
    const ttl = ended ? Math.ceil(lastSeen - now) : keepMs(pool, created, lastSeen) - Math.max(0, now - lastSeen);
    if (ttl <= 0) return null;
    const seen = Math.floor(ended ? now : lastSeen);
    const until = ended ? Math.ceil(lastSeen) : 0;
    const provisional = record.provisional ? 1 : 0;
    const began = Math.floor(created);
    const hashes = ended ? '' : formatHashes(record.bindingHash, record.userA, record.userB);
    const joined = record.joined ? format(record.session) : '';
    const key = new Key();
    key.copy(record.key);
    const limited = !ended && (record.userA | record.userB) !== 0 && pool.config.session.perUser.max > 0;
    return {
      key,
      user: limited ? { a: record.userA, b: record.userB } : null,
      created,
      lastSeen,
      pool,
      id: format(key),
      text: `${pool.name}\n${bound?.id ?? ''}\n${ended ? 0 : by}\n${began}\n${seen}\n${ended ? 0 : moves}\n${provisional}\n${until}\n${hashes}\n${joined}\n${life}\n${ttl}`,
    };
  }

  async #write(connection: RedisConnection, entries: readonly Entry[], adds: boolean, now: number): Promise<void> {
    const { node, prefix } = this.#parts;
    const size = connection.cluster ? 1 : KEYS;
    const calls: Promise<unknown>[] = [];
    for (let at = 0; at < entries.length; at += size) {
      const part = entries.slice(at, at + size);
      const keys = part.map(({ id }) => this.#sessions + id);
      const texts = part.map(({ text }) => text);
      calls.push(
        connection.scripts
          .limpetSync(part.length, ...keys, `${prefix}changes`, node, now, this.#sessions.length, ...texts)
          .then((answers) => this.#apply(part, answers)),
      );
    }
    for (const { user, key, pool, created, lastSeen } of entries)
      if (user !== null) calls.push(this.#users.seen(connection, key, pool, user, created, lastSeen, adds, now));
    await Promise.all(calls);
  }

  #apply(part: readonly Entry[], answers: unknown): void {
    if (!Array.isArray(answers)) return;
    for (const answer of answers) {
      const text = String(answer);
      const end = text.indexOf('\n');
      const entry = part[Number(text.slice(0, end)) - 1];
      if (entry === undefined) continue;
      const stored = readStoredSession(text.slice(end + 1));
      if (stored !== null) applyStoredSession(this.#parts.table, entry.key, entry.pool, stored, this.#parts.now());
    }
  }
}
