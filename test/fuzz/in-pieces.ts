import type { SeededRandom } from './seeded-random.ts';

/** The text cut into reads. */
export function inPieces(text: string, random: SeededRandom): Buffer[] {
  const bytes = Buffer.from(text, 'latin1');
  if (random.oneIn(8)) return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const pieces: Buffer[] = [];
  let from = 0;
  for (let n = random.below(4); n > 0 && from < bytes.length; n--) {
    const to = from + 1 + random.below(bytes.length - from);
    pieces.push(bytes.subarray(from, to));
    from = to;
  }
  if (from < bytes.length) pieces.push(bytes.subarray(from));
  return pieces;
}
