/**
 * What a response does to its session besides confirming it: it ends (`Limpet-Session: end`, `endOn`), or gets another
 * id (`Limpet-Session: rotate`, `rotateOn`).
 */

import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import { HeaderId } from '../../http1/header-id.ts';
import { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import type { SessionJournal } from '../../logging/session-journal.ts';
import { SessionChange } from '../../routing/session-triggers.ts';
import type { SessionStore } from '../../sessions/store/store.ts';
import { refusedUntil } from '../../sessions/table/refused-until.ts';
import type { SearchedRows } from '../../sessions/table/searched-rows.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { noteSession } from './note-session.ts';
import { isOwnedSession } from './owned-session.ts';

/**
 * A key that its client chose is free again after an end; it stays ended for so long that whoever serves the session
 * hears of it.
 */
export const END_NOTICE_MS = 5_000;

const before = new Key();

/** What a response asks for: a value of SessionChange. An end outdoes a rotation. */
export function changeAsked(x: Exchange, head: Head, runtime: PoolRuntime): number {
  let change: number = SessionChange.none;
  if (head.has(HeaderId.limpetSession)) {
    for (
      let line = head.findId(HeaderId.limpetSession);
      line >= 0;
      line = head.findId(HeaderId.limpetSession, line + 1)
    ) {
      const word = head.value(line).toLowerCase();
      if (word === 'end') return SessionChange.end;
      if (word === 'rotate') change = SessionChange.rotate;
    }
  }
  if (runtime.triggers === null) return change;
  return Math.max(change, runtime.triggers.of(x.method, x.path, head.status));
}

/**
 * Ends the session of a request whose response has come.
 * @param reason for the audit log
 * @returns the `Set-Cookie` line that makes the client forget it, or ''
 */
export function endSession(
  x: Exchange,
  runtime: PoolRuntime,
  store: SessionStore,
  journal: SessionJournal | null,
  reason: string,
  now: number,
): string {
  const { strategy, fresh } = x;
  if (strategy === null) return '';
  const { pool, issuer } = runtime;
  // The cookie could be valid for a while (behaviour 24). One that nobody has been sent needs no tombstone.
  const owned = isOwnedSession(x);
  const until = fresh ? 0 : owned ? refusedUntil(pool.config.session, now) : now + END_NOTICE_MS;
  const ended = store.end(x.found.key, pool, x.createdAt, until, now);
  if (ended && journal !== null) noteSession(journal, 'ended', x, x.backend!.id, '', reason, now);
  return issuer !== null && owned && !fresh ? issuer.clearCookie(x.client.secure) : '';
}

/**
 * Gives the session of a request whose response has come another id, with all that is known of it. Only limpet's own
 * cookie can be exchanged: a key that the application or the client has made is theirs to change.
 * @param setCookie what the response sets so far
 * @returns the `Set-Cookie` line for the client, or ''
 */
export function rotateSession(
  x: Exchange,
  runtime: PoolRuntime,
  table: SessionTable,
  store: SessionStore,
  journal: SessionJournal | null,
  setCookie: string,
  now: number,
): string {
  const { pool, issuer } = runtime;
  const backend = x.backend!;
  // Never a new id for what was rotated while this request was under way: whoever had planted the old id would get the
  // new one by a log-in of his own that he holds up until the victim has logged in. This client's id is refused from
  // now on, so it begins a fresh session with its next request.
  if (x.rotatedAway) return '';
  // An id that was made for this very response is known to nobody else.
  if (issuer === null || x.strategy !== issuer || x.fresh) return setCookie;
  before.copy(x.found.key);
  issuer.create(x.found);
  const until = refusedUntil(pool.config.session, now);
  // False: ended while this request was under way, and so it stays.
  if (!table.rotate(before, x.found.key, until, now, x.row)) {
    x.found.key.copy(before);
    forgetKey(x);
    return '';
  }
  store.end(before, pool, x.createdAt, until, now);
  if (journal !== null) noteSession(journal, 'rotated', x, backend.id, format(before), 'rotate', now);
  const line = issuer.setCookie(x.found, backend, x.createdAt, now, x.client.secure, x.row.binding);
  table.setIssued(x.found.key, now);
  return line;
}

/**
 * A session that was there when its request came has another key by now: the request goes on under that one, to the
 * same backend. Neither side hears of it by this request: the client has the new id from the response that has rotated
 * it, and the backend is told the old one still, since that is what the client has shown.
 * @returns false: it has not been rotated
 */
export function followRotation(x: Exchange, table: SearchedRows): boolean {
  if (table.successor(x.found.key, before) === 0) return false;
  if (!x.rotatedAway) x.publicId.tell(x.found.key);
  x.found.key.copy(before);
  forgetKey(x);
  x.rotatedAway = true;
  return true;
}

/** The text that the connection remembers is not that of the key any more: it must not find this key by it again. */
function forgetKey(x: Exchange): void {
  x.found.strategy = null;
  x.found.text = '';
  x.found.cookie = '';
  x.found.issued = 0;
}
