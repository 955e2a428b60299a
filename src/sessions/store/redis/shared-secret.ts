import { StartError } from '../../../errors-start.ts';
import { keyFingerprint } from '../../../keys/secrets.ts';
import type { RedisConnection } from './connection.ts';

const LEAST_BYTES = 32;

/** What the nodes agree on. */
export interface Agreement {
  /** 32 bytes or more each; the first signs, all verify. */
  readonly secrets: readonly Uint8Array[];
  /** What keys are hashed with: the same on every node, so that a client's key is one session everywhere. */
  readonly keySecret: Uint8Array;
}

/**
 * Agrees with the other nodes on the secret that hashes keys. With `fromFile` Redis holds the fingerprint of it, at
 * `{prefix}key`; otherwise the secret itself, at `{prefix}secret`. Whoever comes first says which it is.
 * @param own of this node: those of its file, or one that was made at this start
 * @throws StartError when the nodes cannot agree
 */
export async function agreeOnSecrets(
  connection: RedisConnection,
  prefix: string,
  own: readonly Uint8Array[],
  fromFile: boolean,
): Promise<Agreement> {
  if (!fromFile) {
    const held = await connection.setOnce(`${prefix}secret`, Buffer.from(own[0]!).toString('base64'));
    const secret = Buffer.from(held, 'base64');
    if (secret.length < LEAST_BYTES)
      throw new StartError(
        `sessions.redis: the key ${prefix}secret in Redis holds no secret of limpet's: remove it, or set sessions.secretFile`,
      );
    return { secrets: [secret], keySecret: secret };
  }
  const held = await connection.setOnce(`${prefix}key`, keyFingerprint(own[0]!));
  const keySecret = own.find((secret) => keyFingerprint(secret) === held);
  if (keySecret === undefined)
    throw new StartError(
      `sessions.secretFile: the other nodes hash session keys with a secret that is not in this file: use the same file on all nodes, or, when none of them runs, remove the key ${prefix}key from Redis`,
    );
  return { secrets: own, keySecret };
}
