import { LRUCache } from 'lru-cache';
import type { User } from './user-hash.ts';

/** Users whose names are kept, the ones heard of last. */
const MOST = 100_000;

/** Names of users by their hash, for people: the table has only hashes. In the supervisor; the workers tell it of new ones. */
export class UserNames {
  readonly #names: LRUCache<string, string>;

  /** @param most names that are kept */
  constructor(most = MOST) {
    this.#names = new LRUCache({ max: most });
  }

  add(users: readonly User[]): void {
    for (const { a, b, name } of users) this.#names.set(userId(a, b), name);
  }

  /** Null: there is no user (0, 0), or the name is not known here. */
  name(a: number, b: number): string | null {
    return (a | b) === 0 ? null : (this.#names.get(userId(a, b)) ?? null);
  }
}

/** The hash of a user as 16 hexadecimal digits. */
export function userId(a: number, b: number): string {
  return (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');
}
