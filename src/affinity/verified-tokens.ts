import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { KeysMissing } from './keys-missing.ts';
import { claimText } from './token-claim.ts';
import type { TokenVerifier } from './token-verifier.ts';

/** What is known of a token. */
interface TokenVerdict {
  readonly verified: boolean;
  /** It could not be checked: there were no keys. */
  readonly unchecked: boolean;
  /** The claim that is the key; null when it is missing or cannot be one, and when no claim is asked for. */
  readonly claim: string | null;
  /** The claim that names the user; null when it is missing or names nobody. */
  readonly user: string | null;
  /** When it was checked, ms since epoch: before that, by a clock that was set back, this says nothing. */
  readonly from: number;
  /** Until when this holds, ms since epoch: never beyond the token's own end. */
  readonly until: number;
}

const MOST = 10_000;
/** A key that is taken back stops counting after this time, however long the token would be valid. */
const LONGEST_MS = 600_000;
/** A token that does not verify now may do so soon: its key is published, its time begins. */
const REFUSED_MS = 5_000;
/** Keys are asked for again by themselves: they may be here soon. */
const UNCHECKED_MS = 500;

/**
 * Tokens that have been checked, by their SHA-256, and the checks under way: one for each token, however many requests
 * carry it.
 */
export class VerifiedTokens {
  readonly #verify: TokenVerifier;
  readonly #claim: string | null;
  readonly #userClaim: string;
  readonly #now: () => number;
  #verdicts: LRUCache<string, TokenVerdict> | null = null;
  readonly #underWay = new Map<string, Promise<void>>();

  /**
   * @param claim that is the key; null: the whole token is
   * @param userClaim that names the user
   */
  constructor(verify: TokenVerifier, claim: string | null, userClaim: string, now: () => number) {
    this.#verify = verify;
    this.#claim = claim;
    this.#userClaim = userClaim;
    this.#now = now;
  }

  /** What is known of the token; or a promise, which never rejects, after which it is worth asking again. */
  ask(token: string): TokenVerdict | Promise<void> {
    const digest = hash('sha256', token, 'base64');
    const known = this.#verdicts?.get(digest);
    const now = this.#now();
    if (known !== undefined && now >= known.from && now < known.until) return known;
    let check = this.#underWay.get(digest);
    if (check === undefined) {
      check = this.#check(token, digest);
      this.#underWay.set(digest, check);
    }
    return check;
  }

  async #check(token: string, digest: string): Promise<void> {
    let verdict: TokenVerdict;
    try {
      const payload = await this.#verify(token);
      const from = this.#now();
      const longest = from + LONGEST_MS;
      const claim = this.#claim === null ? null : claimText(payload, this.#claim);
      verdict = {
        verified: true,
        unchecked: false,
        claim,
        user: claimText(payload, this.#userClaim),
        from,
        until: payload.exp === undefined ? longest : Math.min(payload.exp * 1000, longest),
      };
    } catch (error) {
      const unchecked = error instanceof KeysMissing;
      const from = this.#now();
      const until = from + (unchecked ? UNCHECKED_MS : REFUSED_MS);
      verdict = { verified: false, unchecked, claim: null, user: null, from, until };
    }
    (this.#verdicts ??= new LRUCache({ max: MOST })).set(digest, verdict);
    this.#underWay.delete(digest);
  }
}
