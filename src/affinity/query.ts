import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { rememberKey } from './key-memo.ts';
import { type AffinityStrategy, Find, type FoundKey, KEY_SOURCES, type StrategyContext } from './strategy.ts';

/** Values of one name that are looked at; more than this is somebody wasting our time. */
const MOST = 32;

/**
 * A value of the query. Name and value are taken as their bytes stand in the address: `%61` and `a` are different keys,
 * because whoever makes such addresses (Socket.IO's `sid`) repeats the value as it was given. A name with other
 * characters is looked for in its percent-encoded form. Pairs are split at `&`; the first occurrence is the first key,
 * empty values are passed over.
 */
export class QueryAffinity implements AffinityStrategy {
  readonly source = 'query';
  readonly by = KEY_SOURCES.indexOf('query');
  readonly owned = false;
  readonly verifies = false;
  readonly files = [];
  readonly issuer = null;
  readonly userOf = null;
  readonly learn = null;

  readonly #needle: string;
  readonly #hash: KeyHash;

  constructor(config: AffinityConfigOf<'query'>, context: StrategyContext) {
    this.#needle = `${encodeName(config.name)}=`;
    this.#hash = KeyHash.derive(context.keySecret ?? context.secrets[0]!, context.pool.name, 'query', config.name);
  }

  find(head: Head, _client: string, nth: number, found: FoundKey): Find {
    if (head.pathEnd >= head.targetEnd || nth >= MOST) return Find.none;
    const text = head.text;
    const needle = this.#needle;
    const stop = head.targetEnd;
    let left = nth;
    let at = text.indexOf(needle, head.pathEnd + 1);
    for (; at >= 0 && at + needle.length <= stop; at = text.indexOf(needle, at + needle.length)) {
      // Behind `?` or `&` only: `xsid=` is another name.
      if (at !== head.pathEnd + 1 && text.charCodeAt(at - 1) !== 0x26) continue;
      const start = at + needle.length;
      let end = text.indexOf('&', start);
      if (end < 0 || end > stop) end = stop;
      if (start === end || left-- > 0) continue;
      rememberKey(found, this, this.#hash, text, start, end);
      return Find.found;
    }
    return Find.none;
  }
}

/** Leaves everything that may stand in a request target as it is, an escape that is written already too. */
function encodeName(name: string): string {
  return Array.from(name, (c) => (/^[!-~]$/.test(c) && !'#&='.includes(c) ? c : encodeURIComponent(c))).join('');
}
