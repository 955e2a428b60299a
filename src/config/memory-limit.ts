import { totalmem } from 'node:os';

/** For how long what the cgroup and the machine have is taken for the same, ms: to ask costs a few files. */
const SAME_MS = 5_000;

let available = 0;
let askedAt = Number.NEGATIVE_INFINITY;

/**
 * Bytes that `limits.memory` allows.
 * @param setting a share up to 1, of what the cgroup or the machine has; otherwise bytes; null: no limit
 */
export function memoryLimit(setting: number | null): number {
  if (setting === null) return Number.POSITIVE_INFINITY;
  if (setting > 1) return setting;
  const now = performance.now();
  if (now - askedAt > SAME_MS) {
    askedAt = now;
    // 0, or more than there is: the cgroup sets no limit.
    const cgroup = process.constrainedMemory();
    const machine = totalmem();
    available = cgroup > 0 && cgroup < machine ? cgroup : machine;
  }
  return setting * available;
}
