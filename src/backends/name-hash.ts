/**
 * 32-bit hash (FNV-1a over UTF-8, then mixed) of a backend's `pool/id`: the same on every node and in every release.
 */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  // FNV leaves the last bytes, where the ids of one pool differ, in the low bits; the finalizer of MurmurHash3 spreads
  // them.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
