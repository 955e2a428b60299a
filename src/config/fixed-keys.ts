import { isDeepStrictEqual } from 'node:util';
import type { KeyPath } from './config-error.ts';
import { FIXED_KEY_PATHS } from './fixed-key-paths.ts';
import { valueAt } from './messages.ts';
import type { Config } from './schema.ts';

/** The keys that differ and that a reload cannot change. */
export function changedFixedKeys(before: Config, after: Config): KeyPath[] {
  return FIXED_KEY_PATHS.filter((path) => !isDeepStrictEqual(valueAt(before, path), valueAt(after, path)));
}
