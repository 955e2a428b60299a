import type { User } from '../../users/user-hash.ts';
import { type SharedNames, userId } from '../../users/user-names.ts';
import type { RedisConnection } from './connection.ts';
import { within } from './within.ts';

/** A name that nobody has told for so long is forgotten, ms. */
const KEEP_MS = 7 * 24 * 3_600_000;
/** The longest that somebody who looks waits for names. */
const PATIENCE_MS = 500;

/**
 * Names of users in Redis, at `{prefix}n:{hash of the user}`: so that each node shows whose a session is, whichever has
 * heard the name.
 */
export class RedisNames implements SharedNames {
  readonly #prefix: string;
  readonly #connection: () => RedisConnection | null;

  /** @param connection null: there is none that could be used */
  constructor(prefix: string, connection: () => RedisConnection | null) {
    this.#prefix = prefix;
    this.#connection = connection;
  }

  keep(users: readonly User[]): void {
    const connection = this.#connection();
    if (connection === null) return;
    for (const { a, b, name } of users) connection.keep(this.#key(userId(a, b)), name, KEEP_MS).catch(() => {});
  }

  async find(ids: readonly string[]): Promise<readonly (string | null)[]> {
    const connection = this.#connection();
    if (connection === null) return [];
    try {
      return await within(PATIENCE_MS, () => Promise.all(ids.map((id) => connection.value(this.#key(id)))));
    } catch {
      return [];
    }
  }

  #key(id: string): string {
    return `${this.#prefix}n:${id}`;
  }
}
