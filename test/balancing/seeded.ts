import { Key } from '../../src/keys/key.ts';

/** Uniform numbers in [0, 1) that are the same in every run (mulberry32). */
export function seeded(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A key as the keyed hash of a session would be: 128 random bits. */
export function seededKey(random: () => number): Key {
  const key = new Key();
  key.set(random() * 2 ** 32, random() * 2 ** 32, random() * 2 ** 32, random() * 2 ** 32);
  return key;
}
