import type { Backend } from '../../backends/backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import { format } from '../../keys/public-id.ts';
import { Outcome } from '../../metrics/outcomes.ts';
import { needsCookie } from '../session/session-confirm.ts';
import type { ExplainStep } from './explanation.ts';

/** What the backend and the client would be told of the session. */
export function answerStep(x: Exchange, head: Head, backend: Backend, runtime: PoolRuntime, now: number): ExplainStep {
  const told = [];
  if (x.strategy !== null) told.push(x.fresh ? 'the id of the new session' : `Limpet-Session: ${format(x.found.key)}`);
  const moved = x.bound && backend !== x.boundBackend;
  if (moved || (x.hasRow && x.row.movedFrom >= 0)) told.push('Limpet-Session-Moved');
  if (x.expired !== '' && !x.bound) told.push(`Limpet-Session-Expired: ${x.expired}`);
  const toBackend =
    told.length === 0 ? `${backend.id} is told of no session` : `${backend.id} is told ${told.join(' and ')}`;
  const cookie = cookieWords(x, head, moved, runtime, now);
  return {
    step: 'answer',
    outcome: cookie.sent ? 'Set-Cookie' : 'no cookie',
    detail: `${toBackend}; ${cookie.why}.`,
  };
}

function cookieWords(
  x: Exchange,
  head: Head,
  moved: boolean,
  runtime: PoolRuntime,
  now: number,
): { sent: boolean; why: string } {
  const { issuer, pool } = runtime;
  if (issuer === null || x.route?.sticky !== true) return { sent: false, why: 'limpet has no cookie to set here' };
  if (x.preflight) return { sent: false, why: 'a preflight makes neither session nor cookie' };
  if (x.strategy === null && !issuer.comesBack(head.path, x.client.clientHost(head)))
    return { sent: false, why: "limpet's cookie would not come back from here, by its path and domain" };
  if (x.strategy === null) return { sent: false, why: 'the cookie of its session is on its way to the client already' };
  if (x.strategy !== issuer)
    return { sent: false, why: 'the session is known by another key, so limpet sets no cookie' };
  if (!needsCookie(x, moved, pool.config.session.idle, now))
    return { sent: false, why: 'the cookie is fresh enough, so none is set' };
  const why = x.fresh
    ? 'it is a new session'
    : moved || x.row.movedFrom >= 0
      ? 'it has moved'
      : x.outcome === Outcome.adopted
        ? 'its row was made again'
        : 'the date in it wants to be refreshed';
  return { sent: true, why: `the client gets limpet's cookie, because ${why}` };
}
