import { availableParallelism } from 'node:os';
import { memoryLimit } from './memory-limit.ts';
import type { Report } from './parts.ts';
import { formatSize } from './scalars.ts';
import type { ParsedConfig } from './schema.ts';

/** What limpet takes at rest, as `limits.memory` counts it, and something to work with. In bytes. */
const SUPERVISOR = 32 * 2 ** 20;
const WORKER = 20 * 2 ** 20;

/** Warns of a limit on memory that limpet itself comes near without a single connection. */
export function checkLimits({ limits, workers }: ParsedConfig, report: Report): void {
  const limit = memoryLimit(limits.memory);
  const threads = workers === 'auto' ? availableParallelism() : workers;
  const least = SUPERVISOR + threads * WORKER;
  if (limit >= least) return;
  const count = threads === 1 ? '1 worker' : `${threads} workers`;
  report.warn(
    ['limits', 'memory'],
    `is ${Math.floor(limit / 2 ** 20)}MiB, and limpet with ${count} takes about as much before it has a connection: set it to ${formatSize(least)} or more`,
  );
}
