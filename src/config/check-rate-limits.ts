import { valueAt } from './messages.ts';
import type { Parts, Report } from './parts.ts';

/** Checks that what a rate limit counts by is there. */
export function checkRateLimits({ pools }: Parts, written: unknown, report: Report): void {
  for (const { path, affinity } of pools ?? []) {
    const per = [...path, 'rateLimit', 'per'];
    if (affinity.length === 0 && valueAt(written, per) === 'session')
      report.warn(per, 'this pool keeps no sessions, so that client addresses are limited: set per: ip');
  }
}
