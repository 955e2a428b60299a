import {
  type AffinityStrategy,
  type CookieIssuer,
  type CookieProof,
  Find,
  type FoundKey,
} from '../../affinity/strategy.ts';
import type { Backend } from '../../backends/backend.ts';
import type { Head } from '../../http1/head.ts';
import { format } from '../../keys/public-id.ts';
import type { Trail } from './trail.ts';

/** A strategy that notes what it finds. */
export class WatchedStrategy implements AffinityStrategy {
  readonly source: AffinityStrategy['source'];
  readonly by: number;
  readonly owned: boolean;
  readonly verifies: boolean;
  readonly files: readonly string[];
  readonly issuer: CookieIssuer | null = null;
  readonly userOf: AffinityStrategy['userOf'];
  readonly learn: AffinityStrategy['learn'];
  readonly #inner: AffinityStrategy;
  readonly #place: number;
  protected readonly trail: Trail;

  /** @param place of the strategy in the pool's list, from 0 */
  constructor(inner: AffinityStrategy, place: number, trail: Trail) {
    this.source = inner.source;
    this.by = inner.by;
    this.owned = inner.owned;
    this.verifies = inner.verifies;
    this.files = inner.files;
    this.userOf = inner.userOf?.bind(inner) ?? null;
    this.learn = inner.learn;
    this.#inner = inner;
    this.#place = place;
    this.trail = trail;
  }

  find(head: Head, client: string, nth: number, found: FoundKey): Find {
    const result = this.#inner.find(head, client, nth, found);
    const id = result === Find.found ? format(found.key) : '';
    this.trail.push({ kind: 'find', place: this.#place, nth, result, id });
    return result;
  }
}

/** limpet's own cookie, which notes besides whether its proofs hold. */
export class WatchedIssuer extends WatchedStrategy implements CookieIssuer {
  override readonly issuer = this;
  readonly name: string;
  readonly #inner: CookieIssuer;

  constructor(inner: CookieIssuer, place: number, trail: Trail) {
    super(inner, place, trail);
    this.name = inner.name;
    this.#inner = inner;
  }

  comesBack(path: string, host: string): boolean {
    return this.#inner.comesBack(path, host);
  }

  create(found: FoundKey): void {
    this.#inner.create(found);
  }

  verify(found: FoundKey, now: number, proof: CookieProof): boolean {
    const holds = this.#inner.verify(found, now, proof);
    this.trail.push({ kind: 'verify', id: format(found.key), proof: holds ? { ...proof } : null });
    return holds;
  }

  setCookie(found: FoundKey, backend: Backend, began: number, now: number, secure: boolean): string {
    return this.#inner.setCookie(found, backend, began, now, secure);
  }

  clearCookie(secure: boolean): string {
    return this.#inner.clearCookie(secure);
  }
}
