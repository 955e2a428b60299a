import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { Head } from '../http1/head.ts';
import { Key } from '../keys/key.ts';

/** What a strategy found in a request. */
export const Find = {
  /** This request carries no (further) key of this kind. */
  none: 0,
  /** `found.key` holds it. */
  found: 1,
  /** Something stands where a key should, and it is no key: counted, then treated as none (behaviour 5). */
  invalid: 2,
  /** Not known yet: wait for `found.wait`, then call `find` again with the same arguments. */
  pending: 3,
  /** The operator wants such requests refused: 401. */
  rejected: 4,
  /**
   * The keys that would tell are not there yet, and the operator wants requests refused whose token is not good: 503.
   */
  unavailable: 5,
} as const;

/** One of the values of Find. */
export type Find = (typeof Find)[keyof typeof Find];

/** What a strategy learned from a response. */
export const Learn = { none: 0, learned: 1, released: 2 } as const;

/** Key sources in the order of their number in a row of the session table (`by`). */
export const KEY_SOURCES = ['cookie', 'app-cookie', 'header', 'query', 'token', 'ip'] as const;
export type KeySource = (typeof KEY_SOURCES)[number];
/**
 * By index into KEY_SOURCES: whether such a key is one client's, so that it may be another name of a session that is
 * known by another one (behaviour 115). An address is many people's.
 */
export const JOINS: readonly boolean[] = KEY_SOURCES.map((source) => source !== 'ip');

/**
 * Where a strategy writes what it found. One for each client connection, reused from request to request:
 * a strategy may recognise the text of the last request and keep the key, its hash being the costly part.
 */
export class FoundKey {
  readonly key = new Key();
  /** The strategy that wrote `key`, and the text it was made of: the memo. Null: no key yet. */
  strategy: AffinityStrategy | null = null;
  text = '';
  /**
   * Limpet's own cookie, as it came or was made: a part of the request's head, so it is gone when the exchange is over.
   * '' when the key is of another source.
   */
  cookie = '';
  /**
   * Until when the memo holds, ms since epoch: a token's key does not outlive the token. Only its own strategy reads
   * it.
   */
  until = 0;
  /**
   * When `cookie` says that it was issued, ms since epoch: not verified. Only limpet's own cookie writes it; 0: it was
   * not read from a request.
   */
  issued = 0;
  /** Set with Find.pending. Never rejects. */
  wait: Promise<void> | null = null;

  /** As the other one has it. */
  take(from: FoundKey): void {
    this.key.copy(from.key);
    this.strategy = from.strategy;
    this.text = from.text;
    this.cookie = from.cookie;
    this.until = from.until;
    this.issued = from.issued;
  }
}

/**
 * One source of keys in a pool's cascade. Reads and writes marks and never chooses a backend. Made once per pool and
 * thread.
 */
export interface AffinityStrategy {
  readonly source: KeySource;
  /** Index of `source` in KEY_SOURCES. */
  readonly by: number;
  /**
   * True when a tombstone on a key refuses it for good (our own cookie); false when the client may begin anew with it
   * (a token, an address).
   */
  readonly owned: boolean;
  /** It may answer rejected, pending or unavailable: its keys are looked at before those of other sources. */
  readonly verifies: boolean;
  /** Files that it has read: under the same names they may hold something else at the next reload. */
  readonly files: readonly string[];
  /** Itself, when it makes keys of its own; otherwise null. */
  readonly issuer: CookieIssuer | null;

  /**
   * Looks for the `nth` key (from 0) of this kind in the request; several cookies of one name are several keys
   * (behaviour 6).
   * @param client address of the client, behind trusted proxies, as text
   * @returns a value of Find; with `found`, `found.key` and `found.strategy` are set
   */
  find(head: Head, client: string, nth: number, found: FoundKey): Find;

  /**
   * Looks for a key in the head of a response. Null when this strategy does not learn.
   * @returns a value of Learn; `learned`: `found.key` is bound to the backend that answered; `released`: the request's
   *   key ends
   */
  readonly learn: ((response: Head, found: FoundKey) => number) | null;

  /**
   * Says whom a request is for. Null when the source names no user. The key of one that does is not one session's: a
   * user may have many, and many people may share an API key.
   * @returns null: the request does not say; or a promise, which never rejects, after which it is worth asking again
   */
  readonly userOf: ((head: Head) => string | null | Promise<void>) | null;

  /** Memory is short: lets go of all that it could work out again. Absent: it remembers nothing. */
  forget?(): void;
}

/** What the cookie of a session whose row is gone still proves. */
export interface CookieProof {
  /** When the session began, ms since epoch. */
  began: number;
  /** When this cookie was made, ms since epoch. */
  issued: number;
  /** The backend it names; null when it is not in the pool any more. */
  backend: Backend | null;
  /** Hash of what the session is bound to besides (see SessionBinding); 0: nothing. */
  binding: number;
}

/** The strategy whose keys limpet makes itself. At most one a pool. */
export interface CookieIssuer extends AffinityStrategy {
  /** Cookie name. */
  readonly name: string;
  /**
   * Whether a browser would send the cookie back to where this request went, by its path and domain (RFC 6265 sections
   * 5.1.3 and 5.1.4).
   * @param host that the client asked for, with or without port
   */
  comesBack(path: string, host: string): boolean;
  /** Makes a new session id and writes it, as `found.cookie`, and its key to `found`. */
  create(found: FoundKey): void;
  /**
   * Checks `found.cookie` (behaviours 9, 11). Writes to `proof`; false when it does not verify or its dates are
   * impossible. Off the hot path.
   */
  verify(found: FoundKey, now: number, proof: CookieProof): boolean;
  /**
   * `Set-Cookie` line with CRLF for the session in `found` (made or read) on this backend; the new one is left in
   * `found.cookie`.
   */
  setCookie(found: FoundKey, backend: Backend, began: number, now: number, secure: boolean, binding?: number): string;
  /** `Set-Cookie` line with CRLF that makes the browser forget it. */
  clearCookie(secure: boolean): string;
}

/** What a strategy is made from. */
export interface StrategyContext {
  readonly pool: Pool;
  /** 32 bytes or more each; the first signs, all verify. Never empty. */
  readonly secrets: readonly Uint8Array[];
  /**
   * What keys of the table are hashed with; absent: the first secret.
   * A reload passes what the process began with, so that a change of secrets keeps every row (behaviour 25).
   */
  readonly keySecret?: Uint8Array;
  /** Wall clock, ms since epoch. */
  readonly now: () => number;
  /**
   * When a backend's id came back after it had been removed while limpet ran, ms since epoch; 0: it was never gone.
   * A cookie from before that moment names another life of the backend (behaviour 12).
   */
  readonly since: (backend: Backend) => number;
  /** Cryptographic randomness, an argument for tests. */
  readonly randomBytes: (bytes: Uint8Array) => void;
  readonly warn: (message: string) => void;
}
