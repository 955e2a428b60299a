import type { Backend } from '../../backends/backend.ts';
import type { ErrorKind } from '../../errors.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import { format } from '../../keys/public-id.ts';
import { OUTCOMES, type Outcome } from '../../metrics/outcomes.ts';
import { MOVE_REASONS } from '../../sessions/table/move-reasons.ts';

/** Why a request has the outcome that it has, for those of which nothing more is to be said. */
const WHY: { readonly [O in Outcome]: string } = {
  new: 'no key in the request: a new session',
  bound: 'the table has the session',
  adopted: 'the row is gone, and the cookie proves the session',
  moved: 'the backend of the session could not serve it',
  returned: 'the backend that the session came from is back',
  invalid: 'what stands where a key should is none: a new session',
  expired: 'the session was idle for too long or at the end of its lifetime: a new one',
  ended: 'the session had ended: a new one',
  none: 'nothing in the request or the route makes it sticky',
  lost: 'the backend of the session is gone, and onLost is reject',
};

/**
 * `X-Limpet-Explain` line with CRLF: what was decided of a request that is being answered, in visible ASCII.
 * @param backend that answers; null: limpet does, with `error`
 */
export function explainLine(x: Exchange, backend: Backend | null, error: ErrorKind | null): string {
  const parts = [
    ...(x.route === null ? ['route=none'] : [`route=${x.route.index}`, `pool=${x.route.pool.name}`]),
    ...(x.strategy === null ? [] : [`by=${x.strategy.source}`]),
    `outcome=${OUTCOMES[x.outcome]}`,
    ...(x.strategy === null ? [] : [`session=${format(x.found.key)}`]),
    ...(backend === null ? [] : [`backend=${backend.id}`]),
    ...(x.attempts > 1 ? [`attempts=${x.attempts}`] : []),
    ...(error === null ? [] : [`error=${error.code}`]),
    `why="${error === null ? why(x, backend) : error.text}"`,
  ];
  return `X-Limpet-Explain: ${parts.join('; ')}\r\n`;
}

function why(x: Exchange, backend: Backend | null): string {
  const outcome = OUTCOMES[x.outcome]!;
  if (x.route?.sticky === false) return 'the route is not sticky';
  if (outcome === 'expired' && x.expired !== '') return `the session was over its ${x.expired} limit: a new one`;
  if (outcome !== 'moved') return WHY[outcome];
  const told = x.row.movedFrom >= 0 && (!x.bound || x.boundBackend === backend);
  const from = told ? x.runtime?.pool.bySlot[x.row.movedFrom]?.id : x.boundBackend?.id;
  return `moved from ${from ?? 'a backend that is gone'}: ${MOVE_REASONS[told ? x.row.movedReason : x.moveReason]}`;
}
