import * as z from 'zod';

/** Makes the shape of a query parameter that is a whole number in digits. */
export function wholeNumber(least: number, most: number) {
  const error = `must be a whole number from ${least} to ${most}`;
  const isInRange = (text: string) => Number(text) >= least && Number(text) <= most;
  return z
    .string()
    .refine((text) => /^(?:0|[1-9]\d{0,8})$/.test(text) && isInRange(text), { error })
    .transform(Number)
    .meta({ type: 'integer', minimum: least, maximum: most });
}
