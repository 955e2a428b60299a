import { Key } from '../../src/keys/key.ts';

/** Repeatable random numbers (mulberry32): 32 bits a call, signed. */
export function randomWords(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) | 0;
  };
}

/** Repeatable random keys. */
export function randomKeys(count: number, seed: number): Key[] {
  const next = randomWords(seed);
  return Array.from({ length: count }, () => {
    const key = new Key();
    key.set(next(), next(), next(), next() | 1);
    return key;
  });
}

/**
 * Keys that all fall into the same two buckets, whatever the size of the table: the parts that choose them are the
 * same.
 */
export function collidingKeys(count: number): Key[] {
  return Array.from({ length: count }, (_, n) => {
    const key = new Key();
    key.set(n + 1, n * 7, 0x12345678, 0x0abcdef0);
    return key;
  });
}
