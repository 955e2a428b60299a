import type { Exchange } from '../../exchange/exchange.ts';
import { format } from '../../keys/public-id.ts';
import type { SessionEventName, SessionJournal } from '../../logging/session-journal.ts';

/**
 * Notes what a request has made of its session.
 * @param backend id of the backend that it is bound to, or was
 * @param from see SessionEvent
 */
export function noteSession(
  journal: SessionJournal,
  event: SessionEventName,
  x: Exchange,
  backend: string,
  from: string,
  reason: string,
  time: number,
): void {
  const { row } = x;
  journal.note({
    event,
    time,
    key: format(x.found.key),
    pool: x.pool?.name ?? '',
    backend,
    from,
    reason,
    userA: x.hasRow ? row.userA : 0,
    userB: x.hasRow ? row.userB : 0,
    client: x.client.address,
  });
}
