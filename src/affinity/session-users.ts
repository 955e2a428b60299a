import { LRUCache } from 'lru-cache';
import type { Pool } from '../backends/pool.ts';
import type { Head } from '../http1/head.ts';
import { HeaderId, hashName } from '../http1/header-id.ts';
import { type User, UserHash } from '../sessions/users/user-hash.ts';
import type { AffinityStrategy } from './strategy.ts';

/** Names that are remembered with their hash. */
const REMEMBERED = 5_000;

/**
 * Who the users of a pool's sessions are, in the eyes of one worker: by `session.perUser.header` of a trusted proxy or
 * by a claim of their token; and, wherever a backend says so, by the response header `Limpet-User`.
 */
export class SessionUsers {
  /** Requests may say whose they are. */
  readonly asks: boolean;
  /**
   * Only a request that begins a session is asked: nobody counts the sessions of a user, and a token's user does not
   * change.
   */
  readonly asksOnce: boolean;
  /** In lower case; null: none. */
  readonly header: string | null;
  readonly #headerHash: number;
  readonly #sources: readonly AffinityStrategy[];
  readonly #hash: UserHash;
  // Made when there is a first one: they take 100 KB each, of every pool in every worker, and most pools never see a
  // user.
  #fields: LRUCache<string, User> | null = null;
  #claims: LRUCache<string, User> | null = null;

  /** @param secret what keys are hashed with */
  constructor(pool: Pool, secret: Uint8Array, strategies: readonly AffinityStrategy[]) {
    const { header, max } = pool.config.session.perUser;
    this.header = header;
    this.#headerHash = hashName(header ?? '');
    this.#sources = header !== null ? [] : strategies.filter(({ userOf }) => userOf !== null);
    this.#hash = new UserHash(secret, pool.name);
    this.asks = header !== null || this.#sources.length > 0;
    this.asksOnce = header === null && max === 0;
  }

  /**
   * Whose request it is; null: it does not say, or nobody believes it.
   * @param trusted its peer is one of `trustedProxies`
   * @returns or a promise, which never rejects, after which it is worth asking again
   */
  ofRequest(head: Head, trusted: boolean): User | null | Promise<void> {
    if (this.header !== null) return trusted ? this.#ofHeader(head, this.header) : null;
    for (const source of this.#sources) {
      const claim = source.userOf!(head);
      if (claim instanceof Promise) return claim;
      if (claim !== null) return this.#ofClaim(claim);
    }
    return null;
  }

  /** Whose session it is, as the backend says in `Limpet-User`; null: what stands there is no name. */
  ofResponse(head: Head): User | null {
    const line = head.findId(HeaderId.limpetUser);
    return line < 0 ? null : this.#ofField(head.value(line));
  }

  /**
   * Names of the request's fields, in lower case, that a backend must not take for the user: the header of somebody who
   * is not trusted, and whatever an application could confuse with it, since CGI and its kind read `_` as `-`
   * (behaviour 66). Null: there are none.
   */
  strippedFields(head: Head, trusted: boolean): ReadonlySet<string> | null {
    const { header } = this;
    if (header === null) return null;
    let names: Set<string> | null = null;
    for (let i = 0; i < head.count; i++) {
      if (head.nameEnd(i) - head.nameStart(i) !== header.length) continue;
      const name = head.name(i).toLowerCase();
      if (name.replaceAll('_', '-') !== header.replaceAll('_', '-') || (trusted && name === header)) continue;
      names ??= new Set();
      names.add(name);
    }
    return names;
  }

  #ofHeader(head: Head, name: string): User | null {
    const line = head.find(name, this.#headerHash);
    if (line < 0) return null;
    // Two lines: one of them may be the client's own, and nobody can say which.
    return head.find(name, this.#headerHash, line + 1) < 0 ? this.#ofField(head.value(line)) : null;
  }

  #ofField(value: string): User | null {
    let user = this.#fields?.get(value) ?? null;
    if (user !== null) return user;
    // The text of a head is not to be kept alive by one name of it.
    const own = Buffer.from(value, 'latin1').latin1Slice();
    user = this.#hash.ofField(own);
    if (user !== null) (this.#fields ??= new LRUCache({ max: REMEMBERED })).set(own, user);
    return user;
  }

  #ofClaim(claim: string): User | null {
    let user = this.#claims?.get(claim) ?? null;
    if (user !== null) return user;
    user = this.#hash.ofText(claim);
    if (user !== null) (this.#claims ??= new LRUCache({ max: REMEMBERED })).set(claim, user);
    return user;
  }
}
