/** The number of an option that counts something; an Error that names it otherwise. */
export function whole(option: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new Error(`--${option} must be a whole number of at least ${least}`);
}
