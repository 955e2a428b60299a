import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JSONWebKeySet, JWTPayload, JWTVerifyGetKey } from 'jose';
import * as errors from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import { jwtVerify } from 'jose/jwt/verify';
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

/** PEM (SPKI or a certificate), a JSON Web Key or a set of them. */
function readKeyFile(file: string, path: string): KeyObject | JWTVerifyGetKey {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new StartError(`${path}: cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
  // Where a private key lies in a configuration that needs the public one only, somebody has mixed up two files.
  if (text.includes('PRIVATE KEY-----'))
    throw new StartError(`${path}: ${file} holds a private key: put the public key or the certificate there`);
  try {
    if (!text.trimStart().startsWith('{')) return createPublicKey(text);
    const json: unknown = JSON.parse(text);
    const set = isKeySet(json) ? json : { keys: [json] };
    for (const key of set.keys) {
      if (typeof key !== 'object' || key === null || !('kty' in key) || key.kty === 'oct' || 'd' in key)
        throw new Error('a key of the set is not a public key');
    }
    return createLocalJWKSet(set as JSONWebKeySet);
  } catch (cause) {
    const form = 'a PEM file with a public key or certificate, a JSON Web Key or a JSON Web Key Set';
    throw new StartError(`${path}: ${file} is not ${form}: ${messageOf(cause)}`, { cause });
  }
}

function isKeySet(json: unknown): json is { readonly keys: readonly unknown[] } {
  return (
    typeof json === 'object' && json !== null && 'keys' in json && Array.isArray(json.keys) && json.keys.length > 0
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
