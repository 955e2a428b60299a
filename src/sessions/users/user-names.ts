import { LRUCache } from 'lru-cache';
import type { UserWords } from '../table/user-words.ts';
import { type User, UserHash } from './user-hash.ts';

/** Users whose names are kept, the ones heard of last. */
const MOST = 100_000;

/** Where names are kept that this process may never have heard: the store that nodes share. */
export interface SharedNames {
  /** Never throws and never rejects: whatever is lost is not known there. */
  keep(users: readonly User[]): void;
  /** By `userId`, each null when it is not known. Never rejects. */
  find(ids: readonly string[]): Promise<readonly (string | null)[]>;
}

/**
 * Names of users by their hash, for people: the table has only hashes. In the supervisor; the workers tell it of new
 * ones.
 */
export class UserNames {
  readonly #secret: Uint8Array;
  readonly #shared: SharedNames | null;
  readonly #names: LRUCache<string, string>;

  /**
   * @param secret what keys are hashed with
   * @param shared null: this process alone knows
   * @param most names that are kept
   */
  constructor(secret: Uint8Array, shared: SharedNames | null = null, most = MOST) {
    this.#secret = secret;
    this.#shared = shared;
    this.#names = new LRUCache({ max: most });
  }

  add(users: readonly User[]): void {
    for (const { a, b, name } of users) this.#names.set(userId(a, b), name);
    this.#shared?.keep(users);
  }

  /** The user of this name in a pool, known or not. Null: it is no name. */
  find(pool: string, name: string): User | null {
    const user = new UserHash(this.#secret, pool).ofText(name);
    // So that it is shown for the sessions that it finds.
    if (user !== null) this.#names.set(userId(user.a, user.b), user.name);
    return user;
  }

  /** Asks for the names of those that are not known here. Never rejects; with no shared store it has nothing to do. */
  async learn(users: Iterable<UserWords>): Promise<void> {
    if (this.#shared === null) return;
    const unknown = new Set<string>();
    for (const { a, b } of users) if ((a | b) !== 0 && this.name(a, b) === null) unknown.add(userId(a, b));
    if (unknown.size === 0) return;
    const ids = [...unknown];
    const names = await this.#shared.find(ids);
    for (const [n, name] of names.entries()) if (name !== null) this.#names.set(ids[n]!, name);
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
