import type { JWTVerifyGetKey } from 'jose';
import * as errors from 'jose/errors';
import { createLocalJWKSet } from 'jose/jwks/local';
import { createRemoteJWKSet, customFetch } from 'jose/jwks/remote';
import { Deadline } from '../timing/deadline.ts';
import { KeysMissing } from './keys-missing.ts';

/** Times of a key set that is fetched, ms. Arguments for tests; the defaults are what runs. */
interface JwksTimes {
  /** A fetch that takes longer has failed: requests wait for it. */
  readonly timeout: number;
  /** No fetch for so long after one that failed. */
  readonly retry: number;
  /** Keys older than this are fetched anew. */
  readonly maxAge: number;
  /** A key id that is not in the set makes limpet fetch it anew, but not sooner than this after the last time. */
  readonly cooldown: number;
  /**
   * Keys that could not be fetched anew are used for so long after they were good last: an identity provider that is
   * down for a while locks nobody out.
   */
  readonly stale: number;
}

const TIMES: JwksTimes = { timeout: 3_000, retry: 5_000, maxAge: 600_000, cooldown: 30_000, stale: 3_600_000 };

/** Errors about one token; all others are about the key set as a whole. */
const TOKEN_ERRORS: readonly string[] = [
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
  errors.JOSENotSupported.code,
  errors.JWKInvalid.code,
];

/**
 * The keys at a `jwksUrl`, fetched when they are first needed, by one fetch however many requests wait for it. While
 * the address does not answer, the keys that are known are used, and nobody waits for it again and again; a warning
 * says when that begins and when it ends. Without any keys that may be used it rejects with KeysMissing: nobody can
 * tell then whether a token is good.
 */
export function jwksSource(
  url: string,
  context: { readonly now: () => number; readonly warn: (message: string) => void },
  times: JwksTimes = TIMES,
): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(new URL(url), {
    // Ours, which counts no pause of limpet's own, comes first.
    timeoutDuration: 10 * times.timeout,
    [customFetch]: (address, options) => fetchWithin(times.timeout, address, options),
    cooldownDuration: times.cooldown,
    cacheMaxAge: times.maxAge,
  });
  let failing: Error | null = null;
  let retryAt = 0;
  let goodUntil = 0;
  let local: JWTVerifyGetKey | null = null;

  const known: JWTVerifyGetKey = (header, token) => {
    const keys = context.now() < goodUntil ? remote.jwks() : undefined;
    if (keys === undefined) throw new KeysMissing(`${url} does not answer`, { cause: failing });
    local ??= createLocalJWKSet(keys);
    return local(header, token);
  };

  return async (header, token) => {
    const rests = retryAt - context.now();
    // More is left than there was: the clock was set back.
    if (failing !== null && rests > 0 && rests <= times.retry) return known(header, token);
    try {
      const key = await remote(header, token);
      recovered();
      return key;
    } catch (error) {
      if (error instanceof errors.JOSEError && TOKEN_ERRORS.includes(error.code)) {
        recovered();
        throw error;
      }
      failed(error);
      return known(header, token);
    }
  };

  function recovered(): void {
    goodUntil = context.now() + times.stale;
    if (failing === null) return;
    failing = null;
    local = null;
    context.warn(`the key set at ${url} can be read again`);
  }

  function failed(error: unknown): void {
    retryAt = context.now() + times.retry;
    const first = failing === null;
    failing = error instanceof Error ? error : new Error(String(error));
    if (!first) return;
    const cause = failing.cause instanceof Error ? ` (${failing.cause.message})` : '';
    context.warn(
      `the key set at ${url} cannot be read: ${failing.message}${cause}. Tokens are checked with the keys known so far; tried again every ${times.retry / 1000} s`,
    );
  }
}

async function fetchWithin(ms: number, url: string, options: RequestInit): Promise<Response> {
  const late = new AbortController();
  const deadline = new Deadline(ms, () => late.abort(new errors.JWKSTimeout()));
  try {
    const answer = await fetch(url, { ...options, signal: late.signal });
    // With its body: that has to come in time as well.
    return new Response(await answer.arrayBuffer(), { status: answer.status });
  } finally {
    deadline.cancel();
  }
}
