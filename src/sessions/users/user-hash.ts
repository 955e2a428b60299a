import { Key } from '../../keys/key.ts';
import { KeyHash } from '../../keys/key-hash.ts';

/** Whose session it is: a hash for the table, and the name for people. */
export interface User {
  /** The two words of the hash; never both 0. */
  readonly a: number;
  readonly b: number;
  readonly name: string;
}

/** The most bytes that a name may have. */
const LONGEST = 256;

/**
 * Names the users of one pool by 64 bits: SipHash of the name under a secret of the pool's own. So one person is
 * another user in another pool, and nobody outside can choose two names that are one. Two users of a pool of a million
 * have the same hash with a chance of 1 in 10^7.
 */
export class UserHash {
  readonly #hash: KeyHash;
  readonly #key = new Key();

  /**
   * @param secret what keys are hashed with
   * @param pool name of the pool
   */
  constructor(secret: Uint8Array, pool: string) {
    this.#hash = KeyHash.derive(secret, pool, 'user');
  }

  /** The user of a name as it stands in a header field: a latin1 string of its bytes. Null: it is no name. */
  ofField(value: string): User | null {
    const bytes = value.trim();
    if (bytes === '' || bytes.length > LONGEST) return null;
    return isPlain(bytes) ? this.#user(bytes, bytes) : this.#ofBytes(bytes);
  }

  /** The user of a name as text, from a claim or from an operator. Null: it is no name. */
  ofText(text: string): User | null {
    if (isPlain(text)) return this.ofField(text);
    // As many characters as bytes at least: longer text need not be looked at.
    return text.length > LONGEST ? null : this.ofField(Buffer.from(text, 'utf8').latin1Slice());
  }

  #ofBytes(bytes: string): User | null {
    const name = Buffer.from(bytes, 'latin1').toString('utf8');
    return NOT_VISIBLE.test(name) ? null : this.#user(bytes, name);
  }

  #user(bytes: string, name: string): User {
    const key = this.#key;
    this.#hash.hash(bytes, 0, bytes.length, key);
    // The first two of four words of a hash that is never all zero.
    const b = (key.a | key.b) === 0 ? 1 : key.b;
    return { a: key.a, b, name };
  }
}

/** Control characters, what is no character in UTF-8, and what turns the direction of text. */
const NOT_VISIBLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD\u200E\u200F\u202A-\u202E\u2066-\u2069]/u;

/** Whether all of it is visible ASCII or a space. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}
