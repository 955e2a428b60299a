import { totalmem } from 'node:os';

/**
 * Bytes that `limits.memory` allows.
 * @param setting a share up to 1, of what the cgroup or the machine has; otherwise bytes; null: no limit
 */
export function memoryLimit(setting: number | null): number {
  if (setting === null) return Number.POSITIVE_INFINITY;
  if (setting > 1) return setting;
  // 0, or more than there is: the cgroup sets no limit.
  const cgroup = process.constrainedMemory();
  const machine = totalmem();
  return setting * (cgroup > 0 && cgroup < machine ? cgroup : machine);
}
