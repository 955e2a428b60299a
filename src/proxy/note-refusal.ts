import { ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { format } from '../keys/public-id.ts';
import type { SessionJournal } from '../logging/session-journal.ts';

/**
 * Refusals that say something about a session or about who asks. Not among them: what is noted where it is decided (a
 * lost session, a binding that does not match, a user with too many sessions), what comes in floods and says only that
 * there is one (rate limits), and trouble of limpet's or of backends.
 */
const NOTED: ReadonlySet<ErrorKind> = new Set([
  ERRORS.UNAUTHORIZED,
  ERRORS.CROSS_SITE,
  ERRORS.METHOD_NOT_ALLOWED,
  ERRORS.DIALOG_QUEUE_FULL,
  ERRORS.DIALOG_TIMEOUT,
]);

/** Notes that limpet refuses a request, with the code of the error as the reason, where that is for the audit log. */
export function noteRefusal(journal: SessionJournal, x: Exchange, kind: ErrorKind): void {
  const { pool } = x;
  // Without a pool nobody's rules were broken but those of HTTP.
  if (pool === null || !NOTED.has(kind)) return;
  const known = x.strategy !== null && x.bound;
  journal.note({
    event: 'refused',
    time: Date.now(),
    key: known ? format(x.found.key) : '',
    pool: pool.name,
    backend: known ? (x.boundBackend?.id ?? '') : '',
    from: '',
    reason: kind.code,
    userA: known && x.hasRow ? x.row.userA : 0,
    userB: known && x.hasRow ? x.row.userB : 0,
    client: x.client.address,
  });
}
