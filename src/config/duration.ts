/** Durations as a person writes them (`5s`, `1h30m`) and as the program reads them (ms). */
const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
/** How a duration is written. */
export const DURATION = /^(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Milliseconds of `500ms`, `5s`, `30m`, `12h`, `7d` or parts in that falling order (`1h30m`); NaN when it is none. */
export function parseDuration(text: string): number {
  const parts = DURATION.exec(text);
  if (parts === null) return Number.NaN;
  return UNITS.reduce((sum, [, ms], index) => sum + Number(parts[index + 1] ?? 0) * ms, 0);
}

/** The shortest way to write a number of milliseconds in one unit: 90000 is `90s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  for (const [unit, factor] of UNITS) if (ms % factor === 0) return `${ms / factor}${unit}`;
  return `${ms}ms`;
}
