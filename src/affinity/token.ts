import { LRUCache } from 'lru-cache';
import type { AffinityConfigOf } from '../config/schema.ts';
import { strategyFiles } from '../config/strategy-places.ts';
import type { Head } from '../http1/head.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { detachedSlice, holdsKeyOf, rememberKey } from './key-memo.ts';
import { type AffinityStrategy, Find, type FoundKey, KEY_SOURCES, type StrategyContext } from './strategy.ts';
import { looksLikeToken, readUnverifiedClaim } from './token-claim.ts';
import { TokenSource } from './token-source.ts';
import { createTokenVerifier } from './token-verifier.ts';
import { VerifiedTokens } from './verified-tokens.ts';

/**
 * Longer tokens are looked at anew for each request rather than kept: for each connection, or by the thousand when
 * nobody has signed them.
 */
const LONGEST_MEMO = 2048;
/** Claims that are remembered by their token: a lookup costs a tenth of taking the token apart. */
const CLAIMS = 2000;

/**
 * A token, or one of its claims: with `claim: sub` a renewed token finds the same session (behaviour 19). Without
 * `verify` the claim is read and believed (see `readUnverifiedClaim`); with it, only the claim of a token that verifies
 * is a key.
 */
export class TokenAffinity implements AffinityStrategy {
  readonly source = 'token';
  readonly by = KEY_SOURCES.indexOf('token');
  readonly owned = false;
  readonly verifies: boolean;
  readonly files: readonly string[];
  readonly issuer = null;
  readonly learn = null;

  readonly #claim: string | null;
  readonly #source: TokenSource;
  readonly #hash: KeyHash;
  readonly #verified: VerifiedTokens | null;
  /** What is said to a token that does not verify. */
  readonly #onInvalid: Find;
  readonly #now: () => number;
  readonly #claims = new LRUCache<string, string>({ max: CLAIMS });
  /** Claim that names the user, and what unverified tokens say of it. */
  readonly #userClaim: string;
  readonly #users = new LRUCache<string, string>({ max: CLAIMS });

  /**
   * @param path of the strategy in the configuration, for messages
   * @throws StartError when a key file is no good.
   */
  constructor(config: AffinityConfigOf<'token'>, context: StrategyContext, path: string) {
    this.#claim = config.claim;
    this.#source = new TokenSource(config.from);
    const secret = context.keySecret ?? context.secrets[0]!;
    const what = config.claim === null ? [] : [config.claim];
    this.#hash = KeyHash.derive(secret, context.pool.name, 'token', config.from, ...what);
    this.#now = context.now;
    this.verifies = config.verify !== null;
    this.files = strategyFiles(config).map(({ file }) => file);
    this.#userClaim = context.pool.config.session.perUser.claim;
    this.#onInvalid = config.verify?.onInvalid === 'reject' ? Find.rejected : Find.invalid;
    this.#verified =
      config.verify === null
        ? null
        : new VerifiedTokens(
            createTokenVerifier(config.verify, `${path}.verify`, context),
            config.claim,
            this.#userClaim,
            context.now,
          );
  }

  /**
   * Whom the first token of the request is for, by the claim `session.perUser.claim`; null: nobody says. Believed as
   * the key is: with `verify` only the claim of a token that verifies.
   * @returns or a promise, which never rejects, after which it is worth asking again
   */
  userOf(head: Head): string | null | Promise<void> {
    const source = this.#source;
    if (!source.find(head, 0)) return null;
    const token = head.text.slice(source.start, source.end);
    if (this.#verified !== null) {
      if (!looksLikeToken(token)) return null;
      const verdict = this.#verified.ask(token);
      return verdict instanceof Promise ? verdict : verdict.user;
    }
    const known = this.#users.get(token);
    if (known !== undefined) return known;
    const user = readUnverifiedClaim(token, this.#userClaim);
    if (user !== null && token.length <= LONGEST_MEMO) this.#users.set(detachedSlice(token, 0, token.length), user);
    return user;
  }

  forget(): void {
    this.#claims.clear();
    this.#users.clear();
  }

  find(head: Head, _client: string, nth: number, found: FoundKey): Find {
    const source = this.#source;
    if (!source.find(head, nth)) return Find.none;
    const { start, end } = source;
    const text = head.text;
    if (this.#verified !== null) return this.#findVerified(this.#verified, text, start, end, found);
    if (this.#claim === null) {
      rememberKey(found, this, this.#hash, text, start, end);
      return Find.found;
    }
    if (holdsKeyOf(found, this, text, start, end)) return Find.found;
    const token = text.slice(start, end);
    let claim = this.#claims.get(token) ?? null;
    if (claim === null) {
      claim = readUnverifiedClaim(token, this.#claim);
      if (claim === null) return Find.invalid;
      if (token.length <= LONGEST_MEMO) this.#claims.set(detachedSlice(text, start, end), claim);
    }
    this.#keep(found, claim, text, start, end, 0);
    return Find.found;
  }

  #findVerified(verified: VerifiedTokens, text: string, start: number, end: number, found: FoundKey): Find {
    if (holdsKeyOf(found, this, text, start, end) && this.#now() < found.until) return Find.found;
    const token = text.slice(start, end);
    if (!looksLikeToken(token)) return this.#onInvalid;
    const verdict = verified.ask(token);
    if (verdict instanceof Promise) {
      found.wait = verdict;
      return Find.pending;
    }
    if (!verdict.verified) {
      return verdict.unchecked && this.#onInvalid === Find.rejected ? Find.unavailable : this.#onInvalid;
    }
    const key = this.#claim === null ? token : verdict.claim;
    // The token is good, but says nothing of whom it is for: there is nobody to refuse and nothing to stick by.
    if (key === null) return Find.invalid;
    this.#keep(found, key, text, start, end, verdict.until);
    return Find.found;
  }

  #keep(found: FoundKey, key: string, text: string, start: number, end: number, until: number): void {
    this.#hash.hash(key, 0, key.length, found.key);
    found.strategy = this;
    found.text = end - start <= LONGEST_MEMO ? detachedSlice(text, start, end) : '';
    found.until = until;
  }
}
