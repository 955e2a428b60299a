import { readSync } from 'node:fs';
import { incoming, TRANSFER_BYTES } from '../bytes/memory.ts';

/**
 * Reads into `incoming` what has come, where Node's handle would tell of it only later. A read that finds nothing costs
 * an exception: not for each read.
 * @returns its size in bytes; 0: FIN; below 0: a negative errno
 */
export function readNow(fd: number): number {
  try {
    return readSync(fd, incoming, 0, TRANSFER_BYTES, null);
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -1;
  }
}
