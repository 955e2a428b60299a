import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readTokenFile } from '../config/token-file.ts';
import { StartError } from '../errors-start.ts';

/** `Bearer` and a token68 (RFC 6750 section 2.1); the scheme's case does not matter (RFC 9110 section 11.1). */
const CREDENTIALS = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** What another thread needs to know the same token. Structured-cloneable, and no token can be made of it. */
export interface BearerCheck {
  readonly key: Uint8Array;
  /** The token's hash under that key. */
  readonly digest: Uint8Array;
}

/** The token that the admin API asks for. */
export class BearerToken {
  /** Both sides of a comparison are hashed with this: equal lengths, and nothing that a caller can work towards. */
  readonly #key: Uint8Array;
  readonly #digest: Uint8Array;

  /**
   * Reads the token from a file: one line, at least 16 characters.
   * @throws StartError when the file cannot be read or holds no usable token
   */
  static fromFile(file: string): BearerToken {
    const read = readTokenFile(file);
    if ('error' in read) throw new StartError(`admin.tokenFile: ${read.error}`);
    return new BearerToken(read.token);
  }

  /** @param token or what another thread's `check` says of it */
  constructor(token: string | BearerCheck) {
    this.#key = typeof token === 'string' ? randomBytes(32) : token.key;
    this.#digest = typeof token === 'string' ? this.#hash(token) : token.digest;
  }

  get check(): BearerCheck {
    return { key: this.#key, digest: this.#digest };
  }

  /** Whether the value of `Authorization` carries the token; takes the same time wherever a wrong one differs. */
  matches(authorization: string | undefined): boolean {
    const token = CREDENTIALS.exec(authorization ?? '')?.[1];
    return token !== undefined && timingSafeEqual(this.#hash(token), this.#digest);
  }

  #hash(token: string): Buffer {
    return createHmac('sha256', this.#key).update(token).digest();
  }
}
