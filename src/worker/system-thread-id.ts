import { readlinkSync } from 'node:fs';

/**
 * Reads the number by which the system knows this thread (gettid(2)); 0 where that cannot be found out: elsewhere than
 * on Linux.
 */
export function systemThreadId(): number {
  try {
    return Number(/\d+$/.exec(readlinkSync('/proc/thread-self'))?.[0] ?? 0);
  } catch {
    return 0;
  }
}
