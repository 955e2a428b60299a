import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import { hashName } from '../http1/header-id.ts';
import { CookieFinder } from './cookie-finder.ts';

/**
 * Finds the token in a request, as offsets into `head.text`.
 *
 * From `authorization` and from a header a scheme in front of the token is passed over, whatever its case (RFC 9110
 * section 11.1): `Bearer` (RFC 6750) and `DPoP` (RFC 9449). Authorization with another scheme has no token: Basic names
 * a user and not a token, and Digest and Negotiate change from request to request. `{ by: header, name: Authorization
 * }` takes those as they are.
 */
export class TokenSource {
  readonly #cookie: CookieFinder | null = null;
  readonly #name: string = 'authorization';
  readonly #nameHash: number;
  readonly #schemeRequired: boolean;
  /** The token found last is `head.text[start, end)`, never empty. */
  start = 0;
  end = 0;

  constructor(from: AffinityConfigOf<'token'>['from']) {
    const [kind, name = ''] = from.split(' ');
    if (kind === 'cookie') this.#cookie = new CookieFinder(name, false);
    else if (kind === 'header') this.#name = name.toLowerCase();
    this.#nameHash = hashName(this.#name);
    this.#schemeRequired = kind === 'authorization';
  }

  /** Looks for the `nth` token, from 0: there may be several cookies or lines of the name. */
  find(head: Head, nth: number): boolean {
    const cookie = this.#cookie;
    if (cookie === null) return this.#findHeader(head, nth);
    if (!cookie.find(head, nth)) return false;
    this.start = cookie.start;
    this.end = cookie.end;
    return true;
  }

  #findHeader(head: Head, nth: number): boolean {
    let left = nth;
    let line = head.find(this.#name, this.#nameHash);
    for (; line >= 0; line = head.find(this.#name, this.#nameHash, line + 1)) {
      const end = head.valueEnd(line);
      const scheme = schemeLength(head.text, head.valueStart(line));
      if (scheme === 0 && this.#schemeRequired) continue;
      let start = head.valueStart(line) + scheme;
      while (start < end && head.text.charCodeAt(start) === 0x20) start++;
      if (start >= end || left-- > 0) continue;
      this.start = start;
      this.end = end;
      return true;
    }
    return false;
  }
}

/** Length of `Bearer ` or `DPoP ` at `at`, 0 when neither stands there. */
function schemeLength(text: string, at: number): number {
  if (isScheme(text, at, 'bearer ')) return 7;
  return isScheme(text, at, 'dpop ') ? 5 : 0;
}

function isScheme(text: string, at: number, lower: string): boolean {
  if (text.startsWith(lower, at)) return true;
  return text.slice(at, at + lower.length).toLowerCase() === lower;
}
