import { createHash, randomBytes } from 'node:crypto';
import type { Writable } from 'node:stream';

const BLOCK = 65_536;
const blocks = Array.from({ length: 16 }, () => randomBytes(BLOCK));

/** A long body whose parts differ: a lost, doubled or swapped part shows in its hash. */
export const Pattern = {
  /** SHA-1 of the first `bytes`, in hex. */
  hash(bytes: number): string {
    const hash = createHash('sha1');
    for (let at = 0; at < bytes; at += BLOCK) hash.update(blockAt(at, bytes));
    return hash.digest('hex');
  },

  /** Writes the first `bytes` as fast as they are taken, and ends `to`. */
  async write(to: Writable, bytes: number): Promise<void> {
    let wake = (): void => {};
    const onWake = (): void => wake();
    to.on('drain', onWake).on('close', onWake).on('error', onWake);
    for (let at = 0; at < bytes && !to.destroyed; at += BLOCK) {
      if (to.write(blockAt(at, bytes))) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (!to.destroyed) to.end();
  },
};

function blockAt(at: number, bytes: number): Buffer {
  // Seven and sixteen have no divisor in common: every block comes by, in an order of its own.
  const number = at / BLOCK;
  return blocks[(number * 7 + (number >> 4)) % blocks.length]!.subarray(0, bytes - at);
}
