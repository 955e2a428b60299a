import type { Key } from '../src/keys/key.ts';

/**
 * Makes `key` the nth of a series of keys that look random: keys kept in an array would be one more cache miss for each
 * operation.
 */
export function setNthKey(key: Key, n: number): void {
  key.a = mix(n);
  key.b = mix(n ^ 0x5bd1e995);
  key.c = mix(n ^ 0x1b873593);
  key.d = mix(n ^ 0x27d4eb2f);
}

function mix(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
