import { characterClass } from './character-classes.ts';

/** Tokens of `Connection` that have a meaning of their own. */
export const ConnectionToken = { close: 1, keepAlive: 2, upgrade: 4, te: 8, named: 16 } as const;

const TOKEN = characterClass.token();
const SP = 32;
const HTAB = 9;
const COMMA = 0x2c;

/**
 * Bits of ConnectionToken for a Connection value; `named` for every token without a meaning of its own: it names a
 * field (RFC 9110 section 7.6.1).
 */
export function connectionTokens(bytes: Uint8Array, start: number, end: number): number {
  let bits = 0;
  let p = start;
  while (p < end) {
    let stop = p;
    while (stop < end && bytes[stop] !== COMMA) stop++;
    let a = p;
    let b = stop;
    while (a < b && (bytes[a] === SP || bytes[a] === HTAB)) a++;
    while (b > a && (bytes[b - 1] === SP || bytes[b - 1] === HTAB)) b--;
    if (b > a) bits |= bitOf(bytes, a, b);
    p = stop + 1;
  }
  return bits;
}

function bitOf(bytes: Uint8Array, start: number, end: number): number {
  switch (end - start) {
    case 2:
      return isToken(bytes, start, 'te') ? ConnectionToken.te : ConnectionToken.named;
    case 5:
      return isToken(bytes, start, 'close') ? ConnectionToken.close : ConnectionToken.named;
    case 7:
      return isToken(bytes, start, 'upgrade') ? ConnectionToken.upgrade : ConnectionToken.named;
    case 10:
      return isToken(bytes, start, 'keep-alive') ? ConnectionToken.keepAlive : ConnectionToken.named;
    default:
      return ConnectionToken.named;
  }
}

function isToken(bytes: Uint8Array, start: number, lower: string): boolean {
  for (let k = 0; k < lower.length; k++) if (TOKEN[bytes[start + k]!] !== lower.charCodeAt(k)) return false;
  return true;
}
