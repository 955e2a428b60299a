import type { Backend } from '../backends/backend.ts';
import type { Key } from '../keys/key.ts';

/**
 * Weighted rendezvous hashing (highest random weight): the backend of a key, the same in every thread, on every node
 * and for every order of the list. A candidate that leaves or comes moves only the keys that it had or gets; so does a
 * change of one weight.
 *
 * Each candidate draws a 32-bit number from the key and its own hash. With equal weights the highest number wins, in
 * integers alone. With different weights the highest `weight / -ln(number)` wins, which orders equal weights the same
 * way; nodes agree on it as far as their Math.log does, that is on the same release of Node for certain, and elsewhere
 * but for keys on the very border. A candidate of weight 0 wins only when all have 0; then all count the same.
 *
 * `candidates[0..count)` holds at least one. Allocates nothing when `weightOf` does not.
 */
export function rendezvous(
  candidates: readonly Backend[],
  count: number,
  key: Key,
  weightOf: (backend: Backend) => number,
): Backend {
  let best = candidates[0]!;
  const firstWeight = weightOf(best);
  let equal = true;
  for (let i = 1; equal && i < count; i++) equal = weightOf(candidates[i]!) === firstWeight;

  let bestScore = equal ? draw(key, best) : score(key, best, firstWeight);
  for (let i = 1; i < count; i++) {
    const candidate = candidates[i]!;
    const itsScore = equal ? draw(key, candidate) : score(key, candidate, weightOf(candidate));
    if (itsScore > bestScore || (itsScore === bestScore && before(candidate, best))) {
      best = candidate;
      bestScore = itsScore;
    }
  }
  return best;
}

/**
 * Uniform in 0..2^32-1. The key is a keyed hash already: two of its words, each mixed in by half a MurmurHash3
 * finalizer, are enough.
 */
function draw(key: Key, backend: Backend): number {
  let h = backend.hash ^ key.a;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= (h >>> 16) ^ key.b;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

function score(key: Key, backend: Backend, weight: number): number {
  // Half a step up, so that the logarithm is never that of 0 or of 1.
  return weight > 0 ? -weight / Math.log((draw(key, backend) + 0.5) / 2 ** 32) : 0;
}

/** Tells apart equal draws, once in 2^32 keys, without regard to the order of the list. */
function before(one: Backend, other: Backend): boolean {
  return one.hash !== other.hash ? one.hash < other.hash : one.id < other.id;
}
