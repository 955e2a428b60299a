import type { KeyObject } from 'node:crypto';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import * as errors from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import { jwtVerify } from 'jose/jwt/verify';
import { readPublicKeyFile } from '../config/public-key-file.ts';
import type { TokenVerifyConfig } from '../config/schema.ts';
import { StartError } from '../errors-start.ts';
import { jwksSource } from './jwks-source.ts';
import type { StrategyContext } from './strategy.ts';

/**
 * Checks signature, times, issuer and audience of a token. @throws when it is not good, or when there is no key to
 * tell.
 */
export type TokenVerifier = (token: string) => Promise<JWTPayload>;

/**
 * Makes the check that `verify` asks for. Only the algorithms of the configuration are accepted, never `none`.
 * @param path of `verify` in the configuration, for the message
 * @throws StartError when the key file cannot be read or holds no public key.
 */
export function createTokenVerifier(config: TokenVerifyConfig, path: string, context: StrategyContext): TokenVerifier {
  // RFC 9864 gives the algorithm a second name, by its curve.
  const algorithms = config.algorithms.flatMap((name) => (name === 'EdDSA' ? [name, 'Ed25519'] : [name]));
  const options = {
    algorithms,
    ...(config.issuer === null ? {} : { issuer: [...config.issuer] }),
    ...(config.audience === null ? {} : { audience: [...config.audience] }),
  };
  const keys = keysOf(config, path, context);
  return async (token) => {
    const now = { ...options, currentDate: new Date(context.now()) };
    if (typeof keys !== 'function') return (await jwtVerify(token, keys, now)).payload;
    try {
      return (await jwtVerify(token, keys, now)).payload;
    } catch (error) {
      // A token that does not name its key: each of those that fit is tried.
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const key of error) {
        try {
          return (await jwtVerify(token, key, now)).payload;
        } catch (failure) {
          if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
        }
      }
      throw new errors.JWSSignatureVerificationFailed();
    }
  };
}

function keysOf(
  config: TokenVerifyConfig,
  path: string,
  context: StrategyContext,
): Uint8Array | KeyObject | JWTVerifyGetKey {
  if (config.secret !== null) return new TextEncoder().encode(config.secret);
  if (config.jwksUrl !== null) return jwksSource(config.jwksUrl, context);
  if (config.publicKeyFile !== null) return readKeyFile(config.publicKeyFile, `${path}.publicKeyFile`);
  throw new StartError(`${path}: needs one of secret, publicKeyFile and jwksUrl`);
}

function readKeyFile(file: string, path: string): KeyObject | JWTVerifyGetKey {
  const read = readPublicKeyFile(file);
  if ('error' in read) throw new StartError(`${path}: ${read.error}`);
  return 'key' in read ? read.key : createLocalJWKSet({ keys: [...read.keys] } as JSONWebKeySet);
}
