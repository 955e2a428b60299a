import { LRUCache } from 'lru-cache';
import { clientNetwork } from '../affinity/client-network.ts';
import type { PoolConfig } from '../config/schema.ts';
import { Key } from '../keys/key.ts';
import { KeyHash } from '../keys/key-hash.ts';
import type { RateTable } from './rate-table.ts';

/** `pools.NAME.rateLimit`, when there is one. */
export type RateLimitConfig = NonNullable<PoolConfig['rateLimit']>;

/** Whole IPv4 addresses; of IPv6 what one customer of a provider has (behaviour 16). */
const PREFIX4 = 32;
const PREFIX6 = 64;
/** Addresses whose key a worker remembers: it takes microseconds to make. */
const REMEMBERED = 4_096;

const scratch = new Key();

/**
 * The rate limit of one pool, for one thread; the buckets are those of all threads.
 *
 * What the limit says is part of the keys: a pool whose limit did not change finds its buckets again after a reload,
 * and with another limit everybody begins anew.
 */
export class RateLimiter {
  /** Requests of one session share a bucket; false: those of one client address. */
  readonly perSession: boolean;
  /** Tokens of a full bucket. */
  readonly burst: number;
  /** ms in which one token comes back. */
  readonly interval: number;
  readonly #table: RateTable;
  readonly #hash: KeyHash;
  /** Mixed into the keys of sessions. */
  readonly #salt = new Key();
  #addresses: LRUCache<string, Key> | null = null;

  /** @param secret 16 bytes or more, the same in all threads and for as long as limpet runs */
  constructor(pool: string, { per, rate, burst }: RateLimitConfig, secret: Uint8Array, table: RateTable) {
    this.perSession = per === 'session';
    this.burst = burst ?? rate.count;
    this.interval = rate.perMs / rate.count;
    this.#table = table;
    this.#hash = KeyHash.derive(secret, pool, 'rate limit', per, `${rate.count}`, `${rate.perMs}`, `${this.burst}`);
    this.#hash.hash('', 0, 0, this.#salt);
  }

  /**
   * Takes a token of the session with this key.
   * @param now ms by MACHINE_TIME
   * @returns 0, or the ms until there is one
   */
  takeOfSession(key: Key, now: number): number {
    return this.#table.take(this.#ofSession(key), now, this.interval, this.burst);
  }

  /**
   * Takes a token of the client at this address; those without an address (a unix socket) share one bucket. As
   * `takeOfSession`.
   */
  takeOfAddress(address: string, now: number): number {
    return this.#table.take(this.#ofAddress(address), now, this.interval, this.burst);
  }

  /** What `takeOfSession` would answer; nothing changes. */
  peekSession(key: Key, now: number): number {
    return this.#table.peek(this.#ofSession(key), now, this.interval, this.burst);
  }

  /** What `takeOfAddress` would answer; nothing changes. */
  peekAddress(address: string, now: number): number {
    return this.#table.peek(this.#ofAddress(address), now, this.interval, this.burst);
  }

  #ofSession({ a, b, c, d }: Key): Key {
    const salt = this.#salt;
    scratch.set(a ^ salt.a, b ^ salt.b, c ^ salt.c, d ^ salt.d);
    return scratch;
  }

  #ofAddress(address: string): Key {
    return this.#addresses?.get(address) ?? this.#remember(address);
  }

  #remember(address: string): Key {
    const network = clientNetwork(address, PREFIX4, PREFIX6) ?? '';
    const key = new Key();
    this.#hash.hash(network, 0, network.length, key);
    (this.#addresses ??= new LRUCache({ max: REMEMBERED })).set(address, key);
    return key;
  }
}
