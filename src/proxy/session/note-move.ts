import type { Backend } from '../../backends/backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { Logger } from '../../logging/logger.ts';
import type { LabelledCounters } from '../../metrics/labelled-counters.ts';
import { MOVE_REASONS } from '../../sessions/table/move-reasons.ts';

/** Counts and logs that the session of a request has moved from `home` to the backend that answered. */
export function noteMove(
  x: Exchange,
  home: Backend | null,
  backend: Backend,
  { labelled, log }: { readonly labelled: LabelledCounters; readonly log: Logger },
): void {
  const pool = x.pool!.name;
  const from = home?.id ?? 'unknown';
  const reason = MOVE_REASONS[x.moveReason]!;
  labelled.add('limpet_failovers_total', pool, from, backend.id, reason);
  log.info({ pool, session: x.publicId.id, from, to: backend.id, reason }, 'session moved');
}
