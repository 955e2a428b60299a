import type { Backend } from '../backends/backend.ts';
import type { AffinityConfigOf } from '../config/schema.ts';
import type { Head } from '../http1/head.ts';
import type { Key } from '../keys/key.ts';
import { KeyHash } from '../keys/key-hash.ts';
import { COOKIE_LENGTH, CookieCodec, ID_BYTES, ID_LENGTH, issuedIn } from './cookie-codec.ts';
import { CookieFinder } from './cookie-finder.ts';
import { CookieScope } from './cookie-scope.ts';
import { KnownCookies } from './known-cookies.ts';
import {
  type CookieIssuer,
  type CookieProof,
  Find,
  type FoundKey,
  KEY_SOURCES,
  type StrategyContext,
} from './strategy.ts';

/** How far ahead the clock of another node may be: a cookie from further in the future is refused (behaviour 9). */
const SKEW_MS = 60_000;

/** 1 for the characters of base64url. */
const ALPHABET = new Uint8Array(256);
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') ALPHABET[c.charCodeAt(0)] = 1;

/**
 * limpet's own cookie: a session id that nobody can guess, and a proof of where the session lives for when its row is
 * gone (see `CookieCodec` for the form). The key of the table is made of the id alone, so that it stays the same when
 * the cookie is made anew. One that is not signed as it stands is no key, whatever its id (behaviour 5).
 *
 * A proof that was issued before its backend's id was removed and added again names no backend
 * (`StrategyContext.since`): the new server of that id never knew the session (behaviour 12). A plain restart of limpet
 * removes nothing, so the proofs from before it hold.
 */
export class CookieAffinity implements CookieIssuer {
  readonly source = 'cookie';
  readonly by = KEY_SOURCES.indexOf('cookie');
  readonly owned = true;
  readonly verifies = false;
  readonly files = [];
  readonly issuer = this;
  readonly userOf = null;
  readonly learn = null;
  readonly name: string;

  readonly #scope: CookieScope;
  readonly #context: StrategyContext;
  readonly #hash: KeyHash;
  readonly #codec: CookieCodec;
  readonly #finder: CookieFinder;
  /** Random bytes for the next ids: drawing them one id at a time takes longer than all the rest of a new session. */
  readonly #random = Buffer.alloc(ID_BYTES * 64);
  #drawn = this.#random.length;
  /** For clients whose requests come over many connections. */
  readonly #known = new KnownCookies();
  /** What follows the value in the line, CRLF included. */
  readonly #attributes: { readonly plain: string; readonly secure: string };
  readonly #clear: { readonly plain: string; readonly secure: string };

  constructor(config: AffinityConfigOf<'cookie'>, context: StrategyContext) {
    this.name = config.name;
    this.#scope = new CookieScope(config.path, config.domain);
    this.#context = context;
    this.#hash = KeyHash.derive(context.keySecret ?? context.secrets[0]!, context.pool.name, 'cookie', config.name);
    this.#codec = new CookieCodec(context.secrets, context.pool, context.keySecret ?? null);
    this.#finder = new CookieFinder(config.name, true);
    // Max-Age alone: Expires would have to be written anew for each response, and wins nowhere where Max-Age is known
    // (RFC 6265 section 5.3).
    const maxAge = config.maxAge === null ? '' : `; Max-Age=${Math.ceil(config.maxAge / 1000)}`;
    this.#attributes = bothSchemes(config, maxAge);
    this.#clear = bothSchemes(config, '; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
  }

  find(head: Head, _client: string, nth: number, found: FoundKey): Find {
    const finder = this.#finder;
    if (!finder.find(head, nth)) return Find.none;
    const text = head.text;
    let { start, end } = finder;
    // Quoted, as some clients send whatever they were sent (RFC 6265 section 4.1.1).
    if (end - start === COOKIE_LENGTH + 2 && text[start] === '"' && text[end - 1] === '"') {
      start++;
      end--;
    }
    if (end - start !== COOKIE_LENGTH) return Find.invalid;
    // Keeps the head alive that it is cut from, but no longer than the exchange does; a copy costs more than all the
    // rest here.
    const value = text.slice(start, end);
    const known = this.#known;
    if (!known.find(value, found.key) && !this.#verifyNew(value, found.key)) {
      // Its key is not that of any text.
      found.strategy = null;
      found.cookie = '';
      return Find.invalid;
    }
    found.strategy = this;
    found.cookie = value;
    found.issued = issuedIn(known.bytes);
    return Find.found;
  }

  /** A cookie that is not known. False: it was not made here, or not so. */
  #verifyNew(value: string, key: Key): boolean {
    const { bytes } = this.#known;
    for (let i = 0; i < COOKIE_LENGTH; i++) if (ALPHABET[bytes[i]!] !== 1) return false;
    if (!this.#codec.isSigned(value)) return false;
    this.#hash.hash(value, 0, ID_LENGTH, key);
    this.#known.remember(key);
    return true;
  }

  forget(): void {
    this.#known.clear();
  }

  comesBack(path: string, host: string): boolean {
    return this.#scope.has(path, host);
  }

  create(found: FoundKey): void {
    if (this.#drawn === this.#random.length) {
      this.#context.randomBytes(this.#random);
      this.#drawn = 0;
    }
    const id = this.#random.toString('base64url', this.#drawn, (this.#drawn += ID_BYTES));
    this.#hash.hash(id, 0, ID_LENGTH, found.key);
    found.strategy = this;
    found.cookie = id;
    found.issued = 0;
  }

  verify(found: FoundKey, now: number, proof: CookieProof): boolean {
    if (found.strategy !== this) return false;
    const fields = this.#codec.decode(found.cookie);
    if (fields === null || fields.began > fields.issued || fields.issued > now + SKEW_MS) return false;
    const { began, issued, backend, binding } = fields;
    proof.began = began;
    proof.issued = issued;
    proof.binding = binding;
    proof.backend = backend !== null && issued < this.#context.since(backend) ? null : backend;
    return true;
  }

  setCookie(found: FoundKey, backend: Backend, began: number, now: number, secure: boolean, binding = 0): string {
    if (found.strategy !== this) throw new Error(`the key of this session was not made by the cookie ${this.name}`);
    // A clock that was set back must not make a cookie that was issued before its session began.
    const value = this.#codec.encode(found.cookie.slice(0, ID_LENGTH), backend, began, Math.max(now, began), binding);
    found.cookie = value;
    found.issued = Math.floor(Math.max(now, began));
    return `Set-Cookie: ${this.name}=${value}${secure ? this.#attributes.secure : this.#attributes.plain}`;
  }

  clearCookie(secure: boolean): string {
    return `Set-Cookie: ${this.name}=${secure ? this.#clear.secure : this.#clear.plain}`;
  }
}

/**
 * The attributes for a client on plain HTTP and for one on TLS; they differ with `secure: auto` only (behaviour 10).
 */
function bothSchemes(config: AffinityConfigOf<'cookie'>, age: string): { plain: string; secure: string } {
  const before = `; Path=${config.path}${config.domain === null ? '' : `; Domain=${config.domain}`}${age}`;
  const sameSite = { lax: 'Lax', strict: 'Strict', none: 'None' }[config.sameSite];
  const after = `${config.httpOnly ? '; HttpOnly' : ''}; SameSite=${sameSite}${config.partitioned ? '; Partitioned' : ''}\r\n`;
  const without = `${before}${after}`;
  const withSecure = `${before}; Secure${after}`;
  return {
    plain: config.secure === true ? withSecure : without,
    secure: config.secure === false ? without : withSecure,
  };
}
