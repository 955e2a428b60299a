/**
 * Finds the session of a request, before a backend is chosen. Behaviours 1 to 24 come together here and in session-confirm.ts; the parts are in affinity/ and sessions/.
 */
import { type CookieProof, Find, type FoundKey } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import { boundBackend } from '../backends/bound-backend.ts';
import type { Exchange } from '../forwarding/exchange.ts';
import type { PoolTraffic } from '../forwarding/pool-traffic.ts';
import type { Head } from '../http1/head.ts';
import { hashName } from '../http1/header-id.ts';
import { Outcome } from '../metrics/outcomes.ts';
import { isBoundElsewhere } from '../sessions/binding.ts';
import { Key } from '../sessions/key.ts';
import { Lookup } from '../sessions/lookup.ts';
import { format } from '../sessions/public-id.ts';
import { Row } from '../sessions/row.ts';
import type { SearchedRows } from '../sessions/searched-rows.ts';
import { Claim, type SessionStore } from '../sessions/store.ts';

/**
 * What came of the search. `pending`: wait for `x.found.wait`, then search again; `asking`: wait for `x.asked`, then see `answered`;
 * `refused`: the store that nodes share is down, and sessions are to be refused then; `again`: search again; `foreign`: the session is bound to another client,
 * and such requests are to be refused.
 */
export const Search = { done: 0, pending: 1, rejected: 2, asking: 3, refused: 4, again: 5, foreign: 6 } as const;

/** Keys of one kind that are looked at in one request; more than a browser sends by accident. */
const MAX_KEYS = 16;
/** Dates of rows are kept to the second when the session is as old as this. */
const COARSE_AFTER = 2 ** 31 - 1;
const COARSE = 1_000;

/** A browser may still send an id that was rotated away so long ago, ms: it has not read the response yet. */
const LATE_MS = 5_000;

const proof: CookieProof = { began: 0, issued: 0, backend: null, binding: 0 };
const other = new Row();
const successor = new Key();
const SITE = 'sec-fetch-site';
const SITE_HASH = hashName(SITE);
/** In place of an outcome: the cookie's session is bound to another client, and such requests are to be refused. */
const FOREIGN = -1;

/** Finds the session of a request and touches its row. `x.home` is the backend it is bound to, when it is bound. */
export function findSession(
  x: Exchange,
  head: Head,
  traffic: PoolTraffic,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): number {
  const { idle, lifetime } = traffic.pool.config.session;
  const { strategies, binding } = traffic;
  if (binding !== null) x.binding = binding.hash(head, x.client);
  const guard = binding === null || binding.mode === 'observe' ? 0 : x.binding;
  const client = x.client.address;
  const found = x.found;
  x.foundAt = now;
  let seen: number = Outcome.new;
  let late = false;
  for (let s = 0; s < strategies.length; s++) {
    const strategy = strategies[s]!;
    let first = -1;
    let idleNth = -1;
    let idleIssued = 0;
    for (let nth = 0; nth < MAX_KEYS; nth++) {
      const result = strategy.find(head, client, nth, found);
      if (result === Find.none) break;
      if (result === Find.pending) return Search.pending;
      if (result === Find.rejected) return Search.rejected;
      if (result === Find.invalid) {
        seen = Outcome.invalid;
        continue;
      }
      switch (table.lookup(found.key, now, idle, lifetime, x.row, guard)) {
        case Lookup.LIVE:
          x.strategy = strategy;
          x.bound = true;
          x.hasRow = true;
          x.began = x.row.created;
          x.outcome = Outcome.bound;
          if (binding !== null) observe(x, table);
          if (strategy.owned && found.issued > x.row.issued + precisionOf(x.row))
            follow(found, x.row, traffic, table, now);
          x.seenAt = x.row.lastSeen;
          goByRow(x, traffic);
          return x.row.pending
            ? asked(x, traffic, table, store.join(found.key, traffic.pool, x.row, now))
            : Search.done;
        case Lookup.IDLE_EXPIRED:
          seen = Outcome.expired;
          x.expired = 'idle';
          // Its client may have been at another node all the while: its cookie says.
          if (first < 0) first = nth;
          idleNth = nth;
          idleIssued = x.row.issued;
          break;
        case Lookup.LIFETIME_EXPIRED:
          seen = Outcome.expired;
          x.expired = 'lifetime';
          break;
        case Lookup.ENDED:
          seen = Outcome.ended;
          if (strategy.owned && isLate(x, head, traffic, table, now)) late = true;
          break;
        case Lookup.FOREIGN:
          x.mismatch = format(found.key);
          if (binding!.mode === 'reject') return Search.foreign;
          // To this client it is no key; the owner's session is left alone.
          seen = Outcome.invalid;
          continue;
        default:
          // Unknown. Of several, the first is taken; our own are looked at again, with their proof.
          if (first < 0) first = nth;
          break;
      }
      if (!strategy.owned && first < 0) first = nth;
    }
    if (first < 0) continue;
    if (strategy.owned) {
      const outcome = adopt(x, head, traffic, table, first, now, idleNth, idleIssued);
      if (outcome === FOREIGN) return Search.foreign;
      if (outcome === Outcome.adopted) {
        x.expired = '';
        const { found: session, home } = x;
        return asked(x, traffic, table, store.recall(session.key, traffic.pool, home, strategy.by, x.began, now));
      }
      seen = outcome;
      continue;
    }
    // A key that the client chose: a session begins under it (behaviour 15 has no part in this: there is a key).
    strategy.find(head, client, first, found);
    x.strategy = strategy;
    x.outcome = seen;
    // Of a session that its cookie named before it was rotated: this is another one.
    x.home = null;
    return Search.done;
  }
  x.outcome = seen;
  // A cookie now would take the place of the one that its browser is just being sent.
  if (late) return Search.done;
  if (traffic.issuer !== null) {
    traffic.issuer.create(found);
    x.strategy = traffic.issuer;
    x.fresh = true;
  } else if (seen === Outcome.new) {
    // Nothing names a session, and nothing will before the application hands out a key.
    x.outcome = Outcome.none;
  }
  return Search.done;
}

/**
 * Whether a request with an id that was rotated away a moment ago is one that its browser had sent before it read the new one: browsers say so of requests that
 * their own page makes (Fetch Metadata). Such a request goes to the backend of the session, without a session. Whoever else has the old id begins a new one.
 */
function isLate(x: Exchange, head: Head, traffic: PoolTraffic, table: SearchedRows, now: number): boolean {
  const rotatedAt = table.successor(x.found.key, successor);
  if (rotatedAt === 0 || now - rotatedAt > LATE_MS) return false;
  const line = head.find(SITE, SITE_HASH);
  if (line < 0 || head.value(line) !== 'same-origin') return false;
  if (table.peek(successor, now, other) === Lookup.LIVE) x.home = boundBackend(traffic.pool, other);
  return true;
}

/** Sessions of pools that bind them: one that is bound to nothing yet, or to what does not count any more, is from now on; one that comes from elsewhere is noted, and goes on as bound to that. */
function observe(x: Exchange, table: SearchedRows): void {
  const { row, binding } = x;
  if (row.binding === binding) return;
  if (isBoundElsewhere(row.binding, binding)) x.mismatch = format(x.found.key);
  table.setBinding(x.found.key, binding);
  row.binding = binding;
}

function precisionOf({ issued, created }: Row): number {
  return issued - created < COARSE_AFTER ? 0 : COARSE;
}

/**
 * A cookie that is newer than what this node has sent: another node has answered the session since, and may have moved it. Its word is the
 * later one. So nodes agree on a session that had to move, also without a store that they share.
 */
function follow(found: FoundKey, row: Row, traffic: PoolTraffic, table: SearchedRows, now: number): void {
  // A date that somebody made up changes nothing.
  if (row.issued === 0 || !traffic.issuer!.verify(found, now, proof)) return;
  const { backend } = proof;
  if (backend !== null && (backend.slot !== row.backend || !backend.life.owns(row.generation))) {
    // The application was told of the move by the node that made it.
    const stamp = backend.life.stampAt(proof.issued);
    table.settle(found.key, backend.slot, stamp, row.created, row.moves + 1, now, row);
  }
  table.setIssued(found.key, proof.issued);
  row.issued = proof.issued;
}

/**
 * A cookie whose row is gone: it carries its own proof (behaviours 9, 11).
 * @param idleNth the cookie whose row was found idle for too long, and `idleIssued` when this node had sent it last; -1: none
 */
function adopt(
  x: Exchange,
  head: Head,
  traffic: PoolTraffic,
  table: SearchedRows,
  first: number,
  now: number,
  idleNth: number,
  idleIssued: number,
): number {
  const issuer = traffic.issuer!;
  const { idle, lifetime } = traffic.pool.config.session;
  let outcome: number = idleNth < 0 ? Outcome.invalid : Outcome.expired;
  for (let nth = first; nth < MAX_KEYS; nth++) {
    const result = issuer.find(head, x.client.address, nth, x.found);
    if (result === Find.none) break;
    if (result !== Find.found || !issuer.verify(x.found, now, proof)) continue;
    // One behind the first unknown one may have been ended: its signature does not bring it back (behaviour 24).
    if (table.peek(x.found.key, now, other) === Lookup.ENDED) {
      outcome = Outcome.ended;
      continue;
    }
    if (isForeign(x, traffic)) {
      x.mismatch = format(x.found.key);
      if (traffic.binding!.mode === 'reject') return FOREIGN;
      if (traffic.binding!.mode === 'renew') continue;
    }
    const over = nth === idleNth && proof.issued <= idleIssued + COARSE;
    if (over || now - proof.issued >= idle || now - proof.began >= lifetime) {
      outcome = Outcome.expired;
      x.expired = now - proof.began >= lifetime ? 'lifetime' : 'idle';
      continue;
    }
    x.strategy = issuer;
    x.bound = true;
    x.began = proof.began;
    x.home = proof.backend;
    x.stamp = proof.backend?.life.stampAt(proof.issued) ?? 0;
    x.seenAt = proof.issued;
    x.outcome = Outcome.adopted;
    return Outcome.adopted;
  }
  return outcome;
}

/** Whether the cookie's session is bound to another client than this one. */
function isForeign(x: Exchange, { binding }: PoolTraffic): boolean {
  return binding !== null && isBoundElsewhere(proof.binding, x.binding);
}

/** Whether a row that others have made is bound to another client, and that matters. */
function isKeptFrom(x: Exchange, { binding }: PoolTraffic): boolean {
  return binding !== null && binding.mode !== 'observe' && isBoundElsewhere(x.row.binding, x.binding);
}

/** What the store said of the session, or that it has to be waited for. */
function asked(x: Exchange, traffic: PoolTraffic, table: SearchedRows, claim: Claim | Promise<Claim>): number {
  if (typeof claim === 'number') return answered(x, traffic, table, claim, x.foundAt);
  x.asked = claim;
  return Search.asking;
}

/**
 * Goes on with what the store has said of the session of a request. The table has been brought up to date.
 * @returns done, refused, or again: search again, this key is refused for good
 */
export function answered(x: Exchange, traffic: PoolTraffic, table: SearchedRows, claim: Claim, now: number): number {
  const { owned } = x.strategy!;
  switch (claim) {
    case Claim.refused:
      return Search.refused;
    case Claim.ended:
      x.strategy = null;
      x.bound = false;
      x.hasRow = false;
      x.home = null;
      return Search.again;
    case Claim.unknown:
      x.hasRow = false;
      // What a cookie proves holds; a key that the client chose begins anew.
      x.bound = owned;
      return Search.done;
    case Claim.elsewhere:
      x.hasRow = table.peek(x.found.key, now, x.row) === Lookup.LIVE;
      x.bound = true;
      x.home = null;
      return Search.done;
    default:
      // It may have gone again in this very moment: then as above.
      if (table.peek(x.found.key, now, x.row) !== Lookup.LIVE) return answered(x, traffic, table, Claim.unknown, now);
      // The search finds that out, and what becomes of the request.
      if (claim !== Claim.made && isKeptFrom(x, traffic)) return Search.again;
      x.hasRow = true;
      x.began = x.row.created;
      x.claimed = claim === Claim.made;
      if (x.claimed && x.binding !== 0) table.setBinding(x.found.key, x.binding);
      x.bound = !x.claimed;
      if (x.claimed) x.home = null;
      else goByRow(x, traffic);
      if (x.bound && !owned) x.outcome = Outcome.bound;
      return Search.done;
  }
}

/** The session is where its row says. */
export function goByRow(x: Exchange, traffic: PoolTraffic): void {
  x.home = boundBackend(traffic.pool, x.row);
  x.stamp = x.row.generation;
}

/**
 * Claims the key of a new session for `backend` before the request goes out, so that two first requests of one key end on
 * one backend (behaviour 18). A key that limpet makes for this very response needs no claim.
 * @returns done, refused, asking or again: see `Search`
 */
export function claim(
  x: Exchange,
  backend: Backend,
  traffic: PoolTraffic,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): number {
  const said = store.claim(x.found.key, traffic.pool, backend, x.strategy!.by, now, x.row, x.binding);
  if (typeof said !== 'number' || said > Claim.bound) return asked(x, traffic, table, said);
  // The usual two at once: the row is at hand.
  if (said === Claim.bound && isKeptFrom(x, traffic)) return Search.again;
  x.hasRow = true;
  x.began = x.row.created;
  x.claimed = said === Claim.made;
  if (x.claimed) return Search.done;
  x.bound = true;
  x.outcome = Outcome.bound;
  goByRow(x, traffic);
  return Search.done;
}
