const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** A length of time in ms for people, in its two largest units: `2 d 3 h`, `12 min 5 s`, `350 ms`. */
export function spokenTime(ms: number): string {
  const first = UNITS.findIndex(([, unit]) => ms >= unit);
  if (first < 0) return `${Math.max(0, Math.round(ms))} ms`;
  const [name, unit] = UNITS[first]!;
  const whole = `${Math.floor(ms / unit)} ${name}`;
  const next = UNITS[first + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % unit) / next[1]);
  return next === undefined || rest === 0 ? whole : `${whole} ${rest} ${next[0]}`;
}
