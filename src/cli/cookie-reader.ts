import { randomBytes } from 'node:crypto';
import { CookieCodec, type CookieFields, ID_BYTES, ID_LENGTH } from '../affinity/cookie-codec.ts';
import type { Backend } from '../backends/backend.ts';
import { buildPools } from '../backends/build-pools.ts';
import type { Pool } from '../backends/pool.ts';
import type { Config } from '../config/schema.ts';
import { Key } from '../keys/key.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { format } from '../keys/public-id.ts';

/** What a cookie of limpet's that verifies says. */
interface ReadCookie {
  readonly pool: Pool;
  /** Number of the secret that has signed it, from 1. */
  readonly secret: number;
  readonly fields: CookieFields;
}

/** The cookies of all pools of a configuration, outside of a running limpet. */
export class CookieReader {
  readonly #secrets: readonly Uint8Array[];
  /** Pools whose sessions have limpet's cookie, with its name. */
  readonly pools: ReadonlyMap<string, { readonly pool: Pool; readonly cookie: string }>;

  constructor(config: Config, secrets: readonly Uint8Array[]) {
    this.#secrets = secrets;
    const names = Object.entries(config.pools).flatMap(([pool, { backends }]) =>
      backends.map(({ id }) => `${pool}/${id}`),
    );
    // Nothing runs here: places need only be there.
    const pools = buildPools(config, new Map(names.map((name, slot) => [name, { slot, generation: 1 }])));
    this.pools = new Map(
      pools.flatMap((pool) => {
        const strategy = pool.config.affinity.find(({ by }) => by === 'cookie');
        return strategy?.by === 'cookie' ? [[pool.name, { pool, cookie: strategy.name }] as const] : [];
      }),
    );
  }

  /** Null: no secret has signed it for any of the pools. */
  read(value: string): ReadCookie | null {
    for (const { pool } of this.pools.values()) {
      for (const [index, secret] of this.#secrets.entries()) {
        const fields = new CookieCodec([secret], pool).decode(value);
        if (fields !== null) return { pool, secret: index + 1, fields };
      }
    }
    return null;
  }

  /** Value of the cookie of a new session on a backend. */
  mint(pool: Pool, backend: Pick<Backend, 'id'>, now: number): string {
    const id = randomBytes(ID_BYTES).toString('base64url');
    return new CookieCodec(this.#secrets, pool).encode(id, backend, now, now);
  }

  /**
   * Public ids of a cookie's session, one for each secret: a limpet hashes keys with the first secret that it was
   * started with, also after others have been put in front of it.
   */
  keys(pool: string, value: string): string[] {
    const { cookie } = this.pools.get(pool)!;
    return this.#secrets.map((secret) => {
      const key = new Key();
      KeyHash.derive(secret, pool, 'cookie', cookie).hash(value, 0, ID_LENGTH, key);
      return format(key);
    });
  }
}
