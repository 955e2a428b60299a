import { TRANSFER_BYTES } from '../bytes/memory.ts';

/** Size of each, bytes: what connections read at most at once. */
export const LENT_BYTES = TRANSFER_BYTES;
/** So many that are free are kept, 4 MiB; more are left to the garbage collector. */
const MOST_FREE = 64;

const free: Buffer[] = [];

/**
 * Buffers for what is on its way to the system, used again and again: making one for each read costs more than the copy
 * into it, most of all in garbage collection. Whoever takes one gives it back when nobody looks at it any more.
 */
export const bufferPool = {
  take(): Buffer {
    return free.pop() ?? Buffer.allocUnsafeSlow(LENT_BYTES);
  },

  release(buffer: Buffer): void {
    if (free.length < MOST_FREE) free.push(buffer);
  },
};
