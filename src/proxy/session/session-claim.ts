import type { Backend } from '../../backends/backend.ts';
import { boundBackend } from '../../backends/bound-backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import { Outcome } from '../../metrics/outcomes.ts';
import { Claim, type SessionStore } from '../../sessions/store/store.ts';
import { isBoundElsewhere } from '../../sessions/table/binding.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import type { SearchedRows } from '../../sessions/table/searched-rows.ts';
import { Search } from './search.ts';

/**
 * Claims the key of a new session for `backend` before the request goes out, so that two first requests of one key end
 * on one backend (behaviour 18). A key that limpet makes for this very response needs no claim.
 * @returns done, refused, asking or again: see `Search`
 */
export function claim(
  x: Exchange,
  backend: Backend,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): Search {
  const said = store.claim(x.found.key, runtime.pool, backend, x.strategy!.by, now, x.row, x.binding);
  if (typeof said !== 'number' || said > Claim.bound) return asked(x, runtime, table, said);
  // The usual two at once: the row is at hand.
  if (said === Claim.bound && isKeptFrom(x, runtime)) return Search.restart;
  x.hasRow = true;
  x.createdAt = x.row.created;
  x.claimed = said === Claim.made;
  goBySession(x);
  if (x.claimed) return Search.done;
  x.bound = true;
  x.outcome = Outcome.bound;
  goByRow(x, runtime);
  return Search.done;
}

/** What the store said of the session, or that it has to be waited for. */
export function asked(x: Exchange, runtime: PoolRuntime, table: SearchedRows, claim: Claim | Promise<Claim>): Search {
  if (typeof claim === 'number') return answered(x, runtime, table, claim, x.foundAt);
  x.asked = claim;
  return Search.awaitStore;
}

/**
 * Goes on with what the store has said of the session of a request. The table has been brought up to date.
 * @returns done, refused, or again: search again, this key is refused for good
 */
export function answered(x: Exchange, runtime: PoolRuntime, table: SearchedRows, claim: Claim, now: number): Search {
  const owned = x.strategy?.owned === true;
  switch (claim) {
    case Claim.refused:
      return Search.refused;
    case Claim.ended:
    case Claim.joined:
      x.strategy = null;
      x.bound = false;
      x.hasRow = false;
      x.boundBackend = null;
      return Search.restart;
    case Claim.unknown:
      x.hasRow = false;
      // What a cookie proves holds; a key that the client chose begins anew.
      x.bound = owned;
      return Search.done;
    case Claim.elsewhere:
      x.hasRow = table.peek(x.found.key, now, x.row) === Lookup.LIVE;
      x.bound = true;
      x.boundBackend = null;
      return Search.done;
    default:
      // It may have gone again in this very moment: then as above.
      if (table.peek(x.found.key, now, x.row) !== Lookup.LIVE) return answered(x, runtime, table, Claim.unknown, now);
      goBySession(x);
      // The search finds that out, and what becomes of the request.
      if (claim !== Claim.made && isKeptFrom(x, runtime)) return Search.restart;
      x.hasRow = true;
      x.createdAt = x.row.created;
      x.claimed = claim === Claim.made;
      if (x.claimed && x.binding !== 0) table.setBinding(x.found.key, x.binding);
      x.bound = !x.claimed;
      if (x.claimed) x.boundBackend = null;
      else goByRow(x, runtime);
      // Another node has seen it last: this is a request of it as well.
      if (x.bound && x.row.lastSeen < now) {
        x.seenAt = x.seenAt === Number.POSITIVE_INFINITY ? x.row.lastSeen : Math.max(x.seenAt, x.row.lastSeen);
        table.keep(x.found.key, now);
      }
      if (x.bound && !owned) x.outcome = Outcome.bound;
      return Search.done;
  }
}

/** The session is where its row says. */
export function goByRow(x: Exchange, runtime: PoolRuntime): void {
  x.boundBackend = boundBackend(runtime.pool, x.row);
  x.stamp = x.row.generation;
}

/** The request came with another name of the session that `x.row` is: it goes by the session's own key from here on. */
export function goBySession(x: Exchange): void {
  if (!x.row.joined) return;
  x.row.sessionKey(x.found.key);
  x.row.joined = false;
  // The key is not that of the text any more.
  x.found.text = '';
}

/** Whether a row that others have made is bound to another client, and that matters. */
function isKeptFrom(x: Exchange, { binding }: PoolRuntime): boolean {
  return binding !== null && binding.mode !== 'observe' && isBoundElsewhere(x.row.binding, x.binding);
}
