/**
 * Set by `npm run test:real`, which runs the files that import this: the lengths, numbers and machines that `npm test`
 * has no time for.
 */
export const LONG = process.env.LIMPET_LONG === '1';

/** How many of something: `few` prove it in seconds, `many` in minutes. */
export function often(few: number, many: number): number {
  return LONG ? many : few;
}
