/** Words compared without case and separators: `max-requests` is `maxRequests`. */
const plain = (word: string) => word.toLowerCase().replace(/[-_ ]/g, '');

/** Edit distance with swaps of neighbours (optimal string alignment). */
function distance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = from[i - 1] === to[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[from.length]![to.length]!;
}

/** The word of `known` that somebody who wrote `word` most likely meant, or null when none is near. */
export function suggest(word: string, known: readonly string[]): string | null {
  // Long input is no slip of the fingers, and the distance costs the product of the lengths.
  if (word.length > 64) return null;
  const written = plain(word);
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const most = Math.floor(candidate.length / 3);
    const likely = plain(candidate);
    // No nearer than the lengths are apart.
    if (Math.abs(likely.length - written.length) > most || (most === 0 && likely !== written)) continue;
    const steps = distance(written, likely);
    if (steps < bestDistance && steps <= most) {
      best = candidate;
      bestDistance = steps;
    }
  }
  return best;
}

/** `, did you mean "x"?` or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const meant = suggest(word, known);
  return meant === null ? '' : `, did you mean "${meant}"?`;
}
