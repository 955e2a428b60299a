import { Key } from './key.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const CODES = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < 64; value++) VALUES[CODES[value]!] = value;

/** Characters of a public id: 21 of 6 bits and one of 2. */
const LENGTH = 22;

/**
 * The public id of a row: its 128-bit key in base64url (RFC 4648 section 5) without padding, 22 characters.
 * It names the session in logs, in the admin API and to backends, and cannot be turned back into what the client sends.
 */
export function format(key: Key): string {
  const { a, b, c, d } = key;
  // One call that fills a flat string: putting it together from pieces builds a rope, which every reader then has to
  // flatten.
  return String.fromCharCode(
    CODES[a >>> 26]!,
    CODES[(a >>> 20) & 63]!,
    CODES[(a >>> 14) & 63]!,
    CODES[(a >>> 8) & 63]!,
    CODES[(a >>> 2) & 63]!,
    CODES[((a & 3) << 4) | (b >>> 28)]!,
    CODES[(b >>> 22) & 63]!,
    CODES[(b >>> 16) & 63]!,
    CODES[(b >>> 10) & 63]!,
    CODES[(b >>> 4) & 63]!,
    CODES[((b & 15) << 2) | (c >>> 30)]!,
    CODES[(c >>> 24) & 63]!,
    CODES[(c >>> 18) & 63]!,
    CODES[(c >>> 12) & 63]!,
    CODES[(c >>> 6) & 63]!,
    CODES[c & 63]!,
    CODES[d >>> 26]!,
    CODES[(d >>> 20) & 63]!,
    CODES[(d >>> 14) & 63]!,
    CODES[(d >>> 8) & 63]!,
    CODES[(d >>> 2) & 63]!,
    CODES[(d & 3) << 4]!,
  );
}

/**
 * What a backend is told of a session. Each connection has one, and makes it anew when its session is another one than
 * before.
 */
export class PublicId {
  readonly key = new Key();
  /** Of `key`; '' when there was no session yet. */
  id = '';
  /** End of a request head: CRLF of the line before, the line with the id, the empty line. */
  tail = '';

  /** Makes it that of a key. */
  tell(key: Key): void {
    if (this.id !== '' && this.key.equals(key)) return;
    this.key.copy(key);
    this.id = format(key);
    this.tail = `\r\nLimpet-Session: ${this.id}\r\n\r\n`;
  }
}

/**
 * Reads a public id into `key`; false, with `key` as it was, unless `text` is exactly what `format` writes for some key
 * that a row can have: 22 characters, no padding, no bits left over (one id has one spelling), not the all-zero key.
 */
export function parse(text: string, key: Key): boolean {
  if (text.length !== LENGTH) return false;
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let at = 0; at < LENGTH; at++) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? VALUES[code]! : -1;
    if (value < 0) return false;
    if (at === LENGTH - 1) {
      if ((value & 15) !== 0) return false;
      a = (a << 2) | (b >>> 30);
      b = (b << 2) | (c >>> 30);
      c = (c << 2) | (d >>> 30);
      d = (d << 2) | (value >>> 4);
    } else {
      a = (a << 6) | (b >>> 26);
      b = (b << 6) | (c >>> 26);
      c = (c << 6) | (d >>> 26);
      d = (d << 6) | value;
    }
  }
  if ((a | b | c | d) === 0) return false;
  key.set(a, b, c, d);
  return true;
}
