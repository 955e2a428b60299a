const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/**
 * How far a time is from now, in its two largest units: `3m 20s ago`, `in 2h 5m`; `-` when it is none, or the epoch,
 * which stands for never.
 */
export function ago(time: unknown, now: number): string {
  if (typeof time !== 'string' && typeof time !== 'number') return '-';
  const then = new Date(time).getTime();
  if (Number.isNaN(then) || then === 0) return '-';
  const distance = now - then;
  let rest = Math.abs(distance);
  const first = UNITS.findIndex(([, ms]) => rest >= ms);
  if (first < 0) return 'now';
  const parts: string[] = [];
  for (const [unit, ms] of UNITS.slice(first, first + 2)) {
    if (rest >= ms) parts.push(`${Math.floor(rest / ms)}${unit}`);
    rest %= ms;
  }
  return distance > 0 ? `${parts.join(' ')} ago` : `in ${parts.join(' ')}`;
}
