import type { KeyPath } from './config-error.ts';

/** Keys that take effect at a start only: memory and threads are made by them, or other programs know the address. */
export const FIXED_KEY_PATHS: readonly KeyPath[] = [
  ['workers'],
  ['sockets'],
  ['sessions', 'max'],
  ['sessions', 'store'],
  ['sessions', 'redis'],
  ['sessions', 'snapshot'],
  ['admin', 'bind'],
  ['admin', 'tokenFile'],
  ['log', 'format'],
];
