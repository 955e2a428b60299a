import { LRUCache } from 'lru-cache';
import type { User } from './user-hash.ts';
import { userId } from './user-names.ts';

/** Users that a worker remembers to have told of. */
const REMEMBERED = 20_000;
/** Users that wait for the next batch; more are told of when they come again. */
const MOST = 10_000;

/** Users that a worker has met and the supervisor has yet to hear of: their names go with the next batch. */
export class NewUsers {
  readonly #told = new LRUCache<string, true>({ max: REMEMBERED });
  #users: User[] = [];

  note(user: User): void {
    const id = userId(user.a, user.b);
    if (this.#told.get(id) === true || this.#users.length >= MOST) return;
    this.#told.set(id, true);
    this.#users.push(user);
  }

  /** Those that have come since the last call. */
  drain(): readonly User[] {
    if (this.#users.length === 0) return NONE;
    const users = this.#users;
    this.#users = [];
    return users;
  }
}

const NONE: readonly User[] = [];
