import type { Pool } from '../../../backends/pool.ts';
import { Key } from '../../../keys/key.ts';
import { format, parse } from '../../../keys/public-id.ts';
import type { UserWords } from '../../table/user-words.ts';
import { GRANTED, HOLD_MS, NO_ROOM, type OverSession, type UserVerdict } from '../../users/user-index.ts';
import { userId } from '../../users/user-names.ts';
import type { UserClaim } from '../store.ts';
import type { RedisConnection } from './connection.ts';
import { keepMs, limit } from './session-times.ts';
import { parseHashes } from './stored-session.ts';

/**
 * A session that was seen so lately may not have been written to Redis yet, ms: that it is not there, or nobody's, says
 * nothing.
 */
const FRESH_MS = 5_000;

/**
 * Which sessions each user has over all nodes, in Redis: see the script USER. Whatever rejects here is an answer that
 * did not come, or is none of limpet's.
 */
export class UserClaims {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /**
   * Claims of one user come one after the other. Where there is no room, sessions that ended meanwhile are taken out
   * before anybody has to go.
   */
  async claim(
    connection: RedisConnection,
    { key, pool, user, created, hold }: UserClaim,
    now: number,
  ): Promise<UserVerdict> {
    const { idle, lifetime, perUser } = pool.config.session;
    // A place that is held has no session in Redis: it counts as one that was seen just now for all that time.
    const seen = hold ? now + HOLD_MS : now;
    const ask = async (...dead: string[]): Promise<string[]> => {
      const answer = await connection.scripts.limpetUser(
        this.#place(pool, user),
        format(key),
        Math.floor(created),
        now,
        limit(idle),
        limit(lifetime),
        perUser.max,
        perUser.whenFull === 'refuse' ? 1 : 0,
        Math.floor(seen),
        keepMs(pool, now, now),
        ...dead,
      );
      if (!Array.isArray(answer)) throw new Error("a user in Redis is not in limpet's form");
      return answer.map(String);
    };
    let answer = await ask('0');
    if (answer[0] === 'full') answer = await ask('1', ...(await this.#dead(connection, user, answer.slice(1), now)));
    if (answer[0] === 'refused') return NO_ROOM;
    if (answer.length === 1) return GRANTED;
    return { granted: true, over: answer.slice(1).flatMap(readMember), missed: false };
  }

  /** Takes a session, that began then, from its user. */
  async drop(connection: RedisConnection, key: Key, pool: Pool, user: UserWords, created: number): Promise<void> {
    const member = `${format(key)} ${Math.floor(created)}`;
    await connection.scripts.limpetSeen(this.#place(pool, user), member, '', 0, 0);
  }

  /** A session goes on under another key. */
  async rename(
    connection: RedisConnection,
    from: Key,
    to: Key,
    pool: Pool,
    user: UserWords,
    created: number,
    now: number,
  ): Promise<void> {
    const began = Math.floor(created);
    const [gone, come] = [`${format(from)} ${began}`, `${format(to)} ${began}`];
    await connection.scripts.limpetSeen(this.#place(pool, user), gone, come, now, keepMs(pool, now, now));
  }

  /**
   * A session was seen.
   * @param adds also when Redis does not know it as the user's; otherwise it may be one whose claim is still under way
   */
  async seen(
    connection: RedisConnection,
    key: Key,
    pool: Pool,
    user: UserWords,
    created: number,
    lastSeen: number,
    adds: boolean,
    now: number,
  ): Promise<void> {
    const member = `${format(key)} ${Math.floor(created)}`;
    await connection.scripts.limpetSeen(
      this.#place(pool, user),
      '',
      member,
      Math.floor(lastSeen),
      keepMs(pool, now, now),
      adds ? 0 : 1,
    );
  }

  #place(pool: Pool, { a, b }: UserWords): string {
    return `${this.#prefix}u:${pool.name}:${userId(a, b)}`;
  }

  /** @param members each followed by its score */
  async #dead(
    connection: RedisConnection,
    user: UserWords,
    members: readonly string[],
    now: number,
  ): Promise<string[]> {
    const dead: string[] = [];
    const looks: Promise<void>[] = [];
    for (let at = 0; at < members.length; at += 2) {
      const member = members[at]!;
      const seen = Number(members[at + 1]);
      const id = member.slice(0, member.indexOf(' '));
      const look = async (): Promise<void> => {
        const [backend, ended, hashes] = await connection.fields(`${this.#prefix}s:${id}`, 'b', 'e', 'h');
        const { userA, userB } = parseHashes(hashes ?? '');
        const gone = backend === null || userA !== user.a || userB !== user.b;
        if ((gone && now - seen > FRESH_MS) || (ended !== null && ended !== '0')) dead.push(member);
      };
      looks.push(look());
    }
    await Promise.all(looks);
    return dead;
  }
}

function readMember(member: string): OverSession[] {
  const [id = '', began = ''] = member.split(' ');
  const key = new Key();
  return parse(id, key) ? [{ key, created: Number(began) }] : [];
}
