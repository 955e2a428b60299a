import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { CookieFinder } from './cookie-finder.ts';
import { rememberKey } from './key-memo.ts';
import { cookieChange } from './set-cookie.ts';
import { type AffinityStrategy, Find, type FoundKey, KEY_SOURCES, Learn, type StrategyContext } from './strategy.ts';

/**
 * A cookie of the application, such as JSESSIONID: its value as it stands, quotes included, is the key. Learned from
 * the Set-Cookie of a response, released when the application deletes the cookie (an empty value, Max-Age 0 or less,
 * Expires in the past).
 */
export class AppCookieAffinity implements AffinityStrategy {
  readonly source = 'app-cookie';
  readonly by = KEY_SOURCES.indexOf('app-cookie');
  readonly owned = false;
  readonly verifies = false;
  readonly files = [];
  readonly issuer = null;
  readonly userOf = null;

  readonly #name: string;
  readonly #hash: KeyHash;
  readonly #finder: CookieFinder;
  readonly #now: () => number;

  constructor(config: AffinityConfigOf<'app-cookie'>, context: StrategyContext) {
    this.#name = config.name;
    this.#hash = KeyHash.derive(context.keySecret ?? context.secrets[0]!, context.pool.name, 'app-cookie', config.name);
    this.#finder = new CookieFinder(config.name, false);
    this.#now = context.now;
  }

  find(head: Head, _client: string, nth: number, found: FoundKey): Find {
    if (!this.#finder.find(head, nth)) return Find.none;
    rememberKey(found, this, this.#hash, head.text, this.#finder.start, this.#finder.end);
    return Find.found;
  }

  readonly learn = (response: Head, found: FoundKey): number => {
    const change = cookieChange(response, this.#name, this.#now());
    if (change === null) return Learn.none;
    if (change.end === change.start) return Learn.released;
    rememberKey(found, this, this.#hash, response.text, change.start, change.end);
    return Learn.learned;
  };
}
