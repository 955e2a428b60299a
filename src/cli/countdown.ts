/** A number of milliseconds from now as people read a clock: `4m 09s`, `12s`; rounded up, so that `0s` means now. */
export function countdown(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const first = Math.min(2, parts.findIndex((part) => part > 0) < 0 ? 2 : parts.findIndex((part) => part > 0));
  return parts
    .slice(first)
    .map((part, nth) => `${nth === 0 ? part : String(part).padStart(2, '0')}${'hms'[first + nth]}`)
    .join(' ');
}
