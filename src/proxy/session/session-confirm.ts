/**
 * A backend has answered, or is about to be asked: its session is confirmed, and told to it. See session-search.ts for
 * what comes before.
 */
import { type AffinityStrategy, FoundKey, Learn } from '../../affinity/strategy.ts';
import type { Backend } from '../../backends/backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import type { Key } from '../../keys/key.ts';
import type { SessionJournal } from '../../logging/session-journal.ts';
import { Outcome } from '../../metrics/outcomes.ts';
import type { SessionStore } from '../../sessions/store/store.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { MOVE_REASONS } from '../../sessions/table/move-reasons.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import { noteSession } from './note-session.ts';
import { END_NOTICE_MS } from './session-changes.ts';

/** A cookie's date is refreshed when this share of the idle limit has passed since it was sent. */
const REFRESH_SHARE = 0.1;

const learned = new FoundKey();
const session = new Row();
let hasLearned = false;

/** Gives up a claim that no backend has answered. */
export function releaseClaim(x: Exchange, store: SessionStore): void {
  if (!x.claimed) return;
  x.claimed = false;
  store.release(x.found.key, x.runtime!.pool, x.row.backend);
}

/**
 * A backend has answered: the row names it from now on (behaviour 3).
 * @returns the `Set-Cookie` line for the client, or ''
 */
export function confirm(
  x: Exchange,
  head: Head,
  backend: Backend,
  runtime: PoolRuntime,
  table: SessionTable,
  store: SessionStore,
  journal: () => SessionJournal | null,
): string {
  hasLearned = false;
  if (isSettled(x, backend, runtime)) return '';
  const now = Date.now();
  if (x.strategy === null) {
    if (runtime.learners.length > 0) learn(x, head, backend, runtime, store, journal, now);
    return '';
  }
  if (x.claimed && refusesKey(x.strategy, head)) {
    // Nobody's session: the claim is given up, and the next request with this key is as if it were the first.
    releaseClaim(x, store);
    x.hasRow = false;
    x.strategy = null;
    return '';
  }
  const key = x.found.key;
  const by = x.strategy.by;
  const { pool } = runtime;
  const { row } = x;
  const moved = x.bound && backend !== x.boundBackend;
  if (!x.hasRow) {
    // A cookie's session: a new one, or one whose row is gone.
    if (x.bound) {
      const homeStamp = backend === x.boundBackend ? stampOf(x, backend) : x.stamp;
      store.adopt(key, pool, x.boundBackend, backend, by, x.createdAt, x.moveReason, now, row, homeStamp);
    } else {
      x.createdAt = now;
      table.claim(key, pool.index, backend.slot, stampOf(x, backend), by, now, row, false);
    }
    if (x.binding !== 0) table.setBinding(key, x.binding);
    table.confirm(key, backend.slot, now);
    x.hasRow = true;
    // Its cookie names no backend of the pool: there is no row that could have moved.
    const noted = x.bound && x.boundBackend === null ? journal() : null;
    if (noted !== null) noteSession(noted, 'moved', x, backend.id, '', MOVE_REASONS[x.moveReason]!, now);
  } else if (row.backend !== backend.slot || !backend.life.owns(row.generation)) {
    store.move(key, pool, backend, x.moveReason, now, row);
    table.confirm(key, backend.slot, now);
  } else if (row.provisional || row.movedFrom >= 0 || row.generation !== stampOf(x, backend)) {
    if (row.movedFrom >= 0) x.outcome = Outcome.moved;
    table.confirm(key, backend.slot, now, stampOf(x, backend));
  }
  if (x.joins !== 0) joinKeys(x, head, runtime, table, store, now);
  if (runtime.learners.length > 0) learn(x, head, backend, runtime, store, journal, now);
  const issuer = runtime.issuer;
  if (issuer === null || x.strategy !== issuer || x.rotatedAway) return '';
  if (x.preflight || !needsCookie(x, moved, runtime.pool.config.session.idle, now)) return '';
  // Ended, or given another id, while this request was under way: the client keeps what it was sent then.
  if (!table.setIssued(key, now)) return '';
  return issuer.setCookie(x.found, backend, x.createdAt, now, x.client.secure, x.binding);
}

/**
 * Whether the cookie of a session is sent with the response: it is new, names another backend by now, or its date wants
 * to be refreshed. Never with every response: that would make every page uncacheable (behaviour 2).
 */
export function needsCookie({ fresh, outcome, row }: Exchange, moved: boolean, idle: number, now: number): boolean {
  return (
    fresh || moved || outcome === Outcome.adopted || row.movedFrom >= 0 || now - row.issued >= idle * REFRESH_SHARE
  );
}

/** Stamp of the life of the backend that has the session's state with this answer. */
function stampOf({ bindsTo }: Exchange, { life }: Backend): number {
  return bindsTo < 0 ? life.stamp : bindsTo;
}

/** The usual case: a session that was where it is, told of all there is to tell, with a cookie that is fresh enough. */
function isSettled(x: Exchange, backend: Backend, runtime: PoolRuntime): boolean {
  const { row } = x;
  if (!x.hasRow || x.boundBackend !== backend || row.movedFrom >= 0 || row.provisional) return false;
  if (x.joins !== 0 || runtime.learners.length > 0) return false;
  // One whose backend was restarted and that has nowhere else to go begins with this life of it.
  if (row.backend !== backend.slot || row.generation !== x.bindsTo) return false;
  return x.strategy !== runtime.issuer || x.foundAt - row.issued < runtime.pool.config.session.idle * REFRESH_SHARE;
}

/** Copies the key that the response which was confirmed last has handed out; false: it has not. */
export function learnedKey(into: Key): boolean {
  if (hasLearned) into.copy(learned.key);
  return hasLearned;
}

/** The keys that came with the session and named none are other names of it from now on. */
function joinKeys(
  x: Exchange,
  head: Head,
  { strategies }: PoolRuntime,
  table: SessionTable,
  store: SessionStore,
  now: number,
): void {
  if (table.peek(x.found.key, now, session) !== Lookup.LIVE) return;
  for (let s = 0; s < strategies.length; s++) {
    const strategy = strategies[s]!;
    if ((x.joins & (1 << s)) === 0 || refusesKey(strategy, head)) continue;
    store.attach(x.keys[s]!.key, x.found.key, session, strategy.by, now);
  }
}

/**
 * Whether an answer says that the backend does not know the key of a source that learns: it is none of the
 * application's, and names nothing (behaviour 17).
 */
function refusesKey({ learn }: AffinityStrategy, { status }: Head): boolean {
  return learn !== null && (status === 404 || status === 410);
}

/** Binds keys that a good response hands out, and lets go of those it takes back (behaviour 17). */
function learn(
  x: Exchange,
  head: Head,
  backend: Backend,
  runtime: PoolRuntime,
  store: SessionStore,
  journal: () => SessionJournal | null,
  now: number,
): void {
  if (head.status < 200 || head.status >= 400) return;
  for (const strategy of runtime.learners) {
    const result = strategy.learn!(head, learned);
    if (result === Learn.learned) {
      store.bind(learned.key, runtime.pool, backend, strategy.by, now);
      hasLearned = true;
    } else if (result === Learn.released && x.strategy === strategy) {
      const ended = store.end(x.found.key, runtime.pool, x.createdAt, now + END_NOTICE_MS, now);
      const noted = ended ? journal() : null;
      if (noted !== null) noteSession(noted, 'ended', x, backend.id, '', 'cookie-cleared', now);
    }
  }
}

/**
 * What ends the request head: CRLF, the lines that tell the backend of the session (interface section 5), the empty
 * line.
 */
export function sessionTail(x: Exchange, runtime: PoolRuntime, backend: Backend): string {
  if (x.strategy === null) return x.expired === '' ? '\r\n\r\n' : `\r\nLimpet-Session-Expired: ${x.expired}\r\n\r\n`;
  if (!x.rotatedAway) x.publicId.tell(x.found.key);
  const moved = x.bound && backend !== x.boundBackend;
  if (!moved && !(x.hasRow && x.row.movedFrom >= 0) && x.expired === '') return x.publicId.tail;
  let lines = x.publicId.tail.slice(0, -2);
  if (moved) lines += movedLine(x.boundBackend, x.moveReason);
  // Moved by an operator, or by a request that was not answered: told once, to the first backend that answers.
  else if (x.hasRow && x.row.movedFrom >= 0)
    lines += movedLine(runtime.pool.bySlot[x.row.movedFrom], x.row.movedReason);
  if (x.expired !== '' && !x.bound) lines += `Limpet-Session-Expired: ${x.expired}\r\n`;
  return `${lines}\r\n`;
}

function movedLine(from: Backend | null | undefined, reason: number): string {
  return `Limpet-Session-Moved: from=${from?.id ?? 'unknown'}; reason=${MOVE_REASONS[reason] ?? 'unknown'}\r\n`;
}
