import { isDeepStrictEqual } from 'node:util';
import type { KeyPath } from './config-error.ts';
import { valueAt } from './messages.ts';
import type { Config } from './schema.ts';

/** Keys that take effect at a start only: memory and threads are made by them, or other programs know the address. */
const FIXED: readonly KeyPath[] = [
  ['workers'],
  ['sessions', 'max'],
  ['sessions', 'store'],
  ['sessions', 'redis'],
  ['sessions', 'snapshot'],
  ['admin', 'bind'],
  ['admin', 'tokenFile'],
  ['log', 'format'],
];

/** The keys that differ and that a reload cannot change. */
export function changedFixedKeys(before: Config, after: Config): KeyPath[] {
  return FIXED.filter((path) => !isDeepStrictEqual(valueAt(before, path), valueAt(after, path)));
}
