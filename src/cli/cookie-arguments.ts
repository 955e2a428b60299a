import { COOKIE_LENGTH } from '../affinity/cookie-codec.ts';

const DASHED = new RegExp(`^-[\\w-]{${COOKIE_LENGTH - 1}}$`);

/**
 * The arguments of `limpet cookie` with a value that begins with a dash, as one in 64 does, made one that nobody takes
 * for an option.
 */
export function cookieArguments(args: readonly string[]): string[] {
  return args.includes('cookie') ? args.map((arg) => (DASHED.test(arg) ? `=${arg}` : arg)) : [...args];
}
