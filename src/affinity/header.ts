import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { hashName } from '../http1/header-id.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { rememberKey } from './key-memo.ts';
import { type AffinityStrategy, Find, type FoundKey, KEY_SOURCES, Learn, type StrategyContext } from './strategy.ts';

/**
 * A header of the request: its whole value is the key. Several lines of the name are several keys; empty ones are
 * passed over. With `learn` the same header of a response binds its value too.
 */
export class HeaderAffinity implements AffinityStrategy {
  readonly source = 'header';
  readonly by = KEY_SOURCES.indexOf('header');
  readonly owned = false;
  readonly verifies = false;
  readonly files = [];
  readonly issuer = null;
  readonly userOf = null;
  readonly learn: ((response: Head, found: FoundKey) => number) | null;

  readonly #name: string;
  readonly #nameHash: number;
  readonly #hash: KeyHash;

  constructor(config: AffinityConfigOf<'header'>, context: StrategyContext) {
    this.#name = config.name.toLowerCase();
    this.#nameHash = hashName(this.#name);
    this.#hash = KeyHash.derive(context.keySecret ?? context.secrets[0]!, context.pool.name, 'header', this.#name);
    this.learn = config.learn
      ? (response, found) => (this.#find(response, 0, found) ? Learn.learned : Learn.none)
      : null;
  }

  find(head: Head, _client: string, nth: number, found: FoundKey): Find {
    return this.#find(head, nth, found) ? Find.found : Find.none;
  }

  #find(head: Head, nth: number, found: FoundKey): boolean {
    let left = nth;
    let line = head.find(this.#name, this.#nameHash);
    for (; line >= 0; line = head.find(this.#name, this.#nameHash, line + 1)) {
      const start = head.valueStart(line);
      const end = head.valueEnd(line);
      if (start === end || left-- > 0) continue;
      rememberKey(found, this, this.#hash, head.text, start, end);
      return true;
    }
    return false;
  }
}
