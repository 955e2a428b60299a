/**
 * Finds the session of a request, before a backend is chosen. Behaviours 1 to 24 come together here and in
 * session-confirm.ts; the parts are in affinity/ and sessions/. Longer than 400 lines because one source and several,
 * and what tables, cookies and stores say of them, are to be read in one place.
 */
import { type AffinityStrategy, type CookieProof, Find, FoundKey, JOINS } from '../../affinity/strategy.ts';
import { boundBackend } from '../../backends/bound-backend.ts';
import type { Exchange } from '../../exchange/exchange.ts';
import type { PoolRuntime } from '../../exchange/pool-runtime.ts';
import type { Head } from '../../http1/head.ts';
import { hashName } from '../../http1/header-id.ts';
import { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { Outcome } from '../../metrics/outcomes.ts';
import { Claim, type SessionStore } from '../../sessions/store/store.ts';
import { isBoundElsewhere } from '../../sessions/table/binding.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SearchedRows } from '../../sessions/table/searched-rows.ts';
import { isPreflight } from './preflight.ts';
import { Search } from './search.ts';
import { asked, goByRow, goBySession } from './session-claim.ts';

/** Keys of one kind that are looked at in one request; more than a browser sends by accident. */
const MAX_KEYS = 16;
/** Dates of rows are kept to the second when the session is as old as this. */
const COARSE_AFTER = 2 ** 31 - 1;
const COARSE = 1_000;

/** A browser may still send an id that was rotated away so long ago, ms: it has not read the response yet. */
const LATE_MS = 5_000;

const proof: CookieProof = { began: 0, issued: 0, backend: null, binding: 0 };
const other = new Row();
const beside = new Row();
/** Key of the session that decides. */
const session = new Key();
const successor = new Key();
const SITE = 'sec-fetch-site';
const SITE_HASH = hashName(SITE);
/** In place of an outcome: the cookie's session is bound to another client, and such requests are to be refused. */
const FOREIGN = -1;

/** What looking through the keys of one source came to, besides the values of Search that refuse. */
const NO_KEY = 20;
const UNKNOWN = 21;
const LIVE = 22;
type KeysSeen = Search | typeof NO_KEY | typeof UNKNOWN | typeof LIVE;

/** True for a value of Search: a key of the source refuses the request, or holds it up. */
function refuses(said: KeysSeen): said is Search {
  return said < NO_KEY;
}

/** Scratch: of the source that was looked through last, and of all of the request's so far. */
const looked = {
  /**
   * The first of its keys that has no session; the one whose row was idle for too long, and when its cookie was sent
   * last. -1: none.
   */
  first: -1,
  idleNth: -1,
  idleIssued: 0,
  /** What became of the keys that do not count. */
  seen: Outcome.new as number,
  /** One was rotated away a moment ago, and its browser had not heard of it. */
  late: false,
};

/**
 * Finds the session of a request. `x.home` is the backend it is bound to, when it is bound. Its row stays as it is
 * until the request has passed all that may refuse it: see `acceptSession` and `touchSession`.
 *
 * Of several sources the first whose key is known decides; the keys that are not known join its session when a backend
 * has answered (behaviour 115). All that are known are looked at, and any of them may refuse the request. When none is
 * known, the first key begins a session.
 */
export function findSession(
  x: Exchange,
  head: Head,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): Search {
  const { strategies, binding } = runtime;
  if (binding !== null) x.binding = binding.hash(head, x.client);
  x.foundAt = now;
  x.preflight = head.method === 'OPTIONS' && isPreflight(head);
  looked.seen = Outcome.new;
  looked.late = false;
  if (strategies.length > 1) return findAmong(x, head, runtime, table, store, now);
  const strategy = strategies[0]!;
  const said = lookThrough(x, head, strategy, x.found, x.row, runtime, table, now);
  if (said === LIVE) return enter(x, strategy, runtime, table, store, now);
  if (refuses(said)) return said;
  if (said === UNKNOWN && strategy.owned) {
    const outcome = adopt(x, head, runtime, table, store, x.found, now);
    if (outcome === FOREIGN) return Search.foreign;
    if (outcome === Outcome.adopted) return enterByProof(x, runtime, table, store, now);
    looked.seen = outcome;
  } else if (said === UNKNOWN) {
    strategy.find(head, x.client.address, looked.first, x.found);
    return begin(x, strategy);
  }
  return withoutKey(x, head, runtime);
}

/** Of several sources. */
function findAmong(
  x: Exchange,
  head: Head,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): Search {
  const { strategies } = runtime;
  const client = x.client.address;
  let decides = -1;
  let proven = false;
  let first = -1;
  let unknown = 0;
  x.names = 0;
  x.joins = 0;
  for (let s = 0; s < strategies.length; s++)
    if (strategies[s]!.verifies) {
      const said = verifyAll(head, client, strategies[s]!, keyOf(x, s));
      if (refuses(said)) {
        x.found.wait = x.keys[s]!.wait;
        return said;
      }
    }
  for (let s = 0; s < strategies.length; s++) {
    const strategy = strategies[s]!;
    const found = keyOf(x, s);
    // What stands for no client in particular is looked at only where it could decide.
    if (decides >= 0 && !JOINS[strategy.by]) continue;
    const row = decides < 0 ? x.row : beside;
    const said = lookThrough(x, head, strategy, found, row, runtime, table, now);
    if (refuses(said)) {
      x.found.wait = found.wait;
      return said;
    }
    if (said === LIVE) {
      if (row.joined) x.names |= 1 << s;
      if (decides < 0) {
        decides = s;
        if (row.joined) row.sessionKey(session);
        else session.copy(found.key);
      } else if (strategy.owned && found.key.equals(session)) {
        // The same session by the cookie of its own, which is to be refreshed.
        decides = s;
        x.row.joined = false;
      }
    } else if (said === UNKNOWN && strategy.owned) {
      const outcome = adopt(x, head, runtime, table, store, found, now);
      if (outcome === FOREIGN) return Search.foreign;
      if (outcome !== Outcome.adopted) looked.seen = outcome;
      else if (decides < 0) {
        decides = s;
        proven = true;
      }
    } else if (said === UNKNOWN) {
      strategy.find(head, client, looked.first, found);
      if (first < 0) first = s;
      if (JOINS[strategy.by]) unknown |= 1 << s;
    }
  }
  // Other nodes may know some of them, which decides: all are asked about at once.
  if (store.shared && !x.recalled && unknown !== 0 && (decides >= 0 || (unknown & (unknown - 1)) !== 0))
    return askAll(x, runtime, store, unknown, proven ? decides : -1, now);
  if (decides < 0 && first >= 0 && !looked.late) {
    x.found.take(keyOf(x, first));
    x.joins = joinsOf(unknown & ~(1 << first), strategies, first);
    return begin(x, strategies[first]!);
  }
  if (decides < 0) return withoutKey(x, head, runtime);
  x.found.take(keyOf(x, decides));
  x.joins = joinsOf(unknown, strategies, decides);
  if (proven) return enterByProof(x, runtime, table, store, now);
  return enter(x, strategies[decides]!, runtime, table, store, now);
}

/**
 * Those of the unknown keys that join the session of the source that decides. Not one behind it that names a user
 * (see `userOf`), such as a token: a user may have many sessions. One in front of it does, as after a log-in.
 */
function joinsOf(unknown: number, strategies: readonly AffinityStrategy[], decides: number): number {
  let joins = unknown;
  for (let s = decides + 1; s < strategies.length; s++) if (strategies[s]!.userOf !== null) joins &= ~(1 << s);
  return joins;
}

/** One for each source of a pool; as `x.found`, it remembers the last request's. */
function keyOf(x: Exchange, place: number): FoundKey {
  while (x.keys.length <= place) x.keys.push(new FoundKey());
  return x.keys[place]!;
}

/**
 * Every token of a source that verifies: one that is not good refuses the request before anything else does. NO_KEY:
 * none has.
 */
function verifyAll(head: Head, client: string, strategy: AffinityStrategy, found: FoundKey): KeysSeen {
  for (let nth = 0; nth < MAX_KEYS; nth++) {
    const result = strategy.find(head, client, nth, found);
    if (result === Find.none) break;
    const said = refusalOf(result);
    if (said !== NO_KEY) return said;
  }
  return NO_KEY;
}

/** What a value of Find says of the request as a whole. */
function refusalOf(result: Find): KeysSeen {
  if (result === Find.pending) return Search.awaitKeys;
  if (result === Find.rejected) return Search.rejected;
  return result === Find.unavailable ? Search.unavailable : NO_KEY;
}

/**
 * Looks through the keys of one source. LIVE: `found` and `row` are the first that has a session; UNKNOWN:
 * `looked.first` may begin one, or prove one.
 */
function lookThrough(
  x: Exchange,
  head: Head,
  strategy: AffinityStrategy,
  found: FoundKey,
  row: Row,
  runtime: PoolRuntime,
  table: SearchedRows,
  now: number,
): KeysSeen {
  const { binding } = runtime;
  const { idle, lifetime } = runtime.pool.config.session;
  const guard = binding === null || binding.mode === 'observe' ? 0 : x.binding;
  const client = x.client.address;
  looked.first = -1;
  looked.idleNth = -1;
  looked.idleIssued = 0;
  for (let nth = 0; nth < MAX_KEYS; nth++) {
    const result = strategy.find(head, client, nth, found);
    if (result === Find.none) break;
    if (result === Find.invalid) {
      looked.seen = Outcome.invalid;
      continue;
    }
    if (result !== Find.found) return refusalOf(result);
    switch (table.lookup(found.key, now, idle, lifetime, row, guard, false)) {
      case Lookup.LIVE:
        x.untouched = true;
        return LIVE;
      case Lookup.IDLE_EXPIRED:
        looked.seen = Outcome.expired;
        x.expired = 'idle';
        // Its client may have been at another node all the while: its cookie says.
        if (looked.first < 0) looked.first = nth;
        looked.idleNth = nth;
        looked.idleIssued = row.issued;
        break;
      case Lookup.LIFETIME_EXPIRED:
        looked.seen = Outcome.expired;
        x.expired = 'lifetime';
        break;
      case Lookup.ENDED:
        looked.seen = Outcome.ended;
        if (strategy.owned && isLate(x, found, head, runtime, table, now)) looked.late = true;
        break;
      case Lookup.FOREIGN:
        x.mismatch = format(found.key);
        if (binding!.mode === 'reject') return Search.foreign;
        // To this client it is no key; the owner's session is left alone.
        looked.seen = Outcome.invalid;
        continue;
      default:
        // Unknown. Of several, the first is taken; our own are looked at again, with their proof.
        if (looked.first < 0) looked.first = nth;
        break;
    }
    if (!strategy.owned && looked.first < 0) looked.first = nth;
  }
  return looked.first < 0 ? NO_KEY : UNKNOWN;
}

/** The request is one of the session that `x.found` and `x.row` name. */
function enter(
  x: Exchange,
  strategy: AffinityStrategy,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): Search {
  x.strategy = strategy;
  x.bound = true;
  x.hasRow = true;
  x.expired = '';
  x.outcome = Outcome.bound;
  goBySession(x);
  x.createdAt = x.row.created;
  if (runtime.binding !== null && isBoundElsewhere(x.row.binding, x.binding)) x.mismatch = format(x.found.key);
  x.seenAt = x.row.lastSeen;
  goByRow(x, runtime);
  return x.row.pending ? asked(x, runtime, table, store.join(x.found.key, runtime.pool, x.row, now)) : Search.done;
}

/** It has passed all that is asked of it: what it brings that is new holds for its session from now on. */
export function acceptSession(x: Exchange, runtime: PoolRuntime, table: SearchedRows): void {
  if (runtime.binding !== null) observe(x, table);
  const { found, row } = x;
  if (x.strategy !== runtime.issuer || found.issued <= row.issued + precisionOf(row)) return;
  follow(found, row, runtime, table, x.foundAt);
  goByRow(x, runtime);
}

/**
 * A backend was chosen for it, so nothing is left that could refuse the request: now it counts as one of its session.
 * Until then the row is as it was (behaviour 118).
 */
export function touchSession(x: Exchange, runtime: PoolRuntime, table: SearchedRows): void {
  x.untouched = false;
  const now = runtime.guarded ? Date.now() : x.foundAt;
  for (let names = x.names, s = 0; names !== 0; names >>>= 1, s++)
    if ((names & 1) !== 0) table.touch(x.keys[s]!.key, now, -1);
  table.touch(x.found.key, now, x.row.at);
}

/** Of a session whose row is gone, and which its cookie has just proved. */
function enterByProof(
  x: Exchange,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  now: number,
): Search {
  x.boundBackend = proof.backend;
  // There, and no row is made for it.
  if (x.preflight) return Search.done;
  x.strategy = runtime.issuer;
  x.bound = true;
  x.createdAt = proof.began;
  x.stamp = proof.backend?.life.stampAt(proof.issued) ?? 0;
  x.seenAt = proof.issued;
  x.outcome = Outcome.adopted;
  x.expired = '';
  // The store has been asked.
  if (x.recalled) return Search.done;
  const { by } = runtime.issuer!;
  return asked(
    x,
    runtime,
    table,
    store.recall(x.found.key, runtime.pool, x.boundBackend, by, x.createdAt, now, x.stamp),
  );
}

/** A key that the client chose: a session begins under it (behaviour 15 has no part in this: there is a key). */
function begin(x: Exchange, strategy: AffinityStrategy): Search {
  x.outcome = looked.seen;
  if (x.preflight) x.joins = 0;
  else x.strategy = strategy;
  // Of a session that its cookie named before it was rotated: this is another one.
  x.boundBackend = null;
  return Search.done;
}

/** No key of the request counts. */
function withoutKey(x: Exchange, head: Head, { issuer }: PoolRuntime): Search {
  x.outcome = looked.seen;
  // A cookie now would take the place of the one that its browser is just being sent.
  if (looked.late) return Search.done;
  // Where the browser does not send it back, it would only take the place of the one that it has.
  if (issuer !== null && !x.preflight && issuer.comesBack(head.path, x.client.clientHost(head))) {
    issuer.create(x.found);
    x.strategy = issuer;
    x.fresh = true;
  } else if (x.outcome === Outcome.new) {
    // Nothing names a session, and nothing will before the application hands out a key.
    x.outcome = Outcome.none;
  }
  return Search.done;
}

/**
 * Asks the store about all keys that this node does not know, in one round trip; then the search begins anew. Off the
 * usual path.
 */
function askAll(
  x: Exchange,
  { pool, issuer }: PoolRuntime,
  store: SessionStore,
  unknown: number,
  proven: number,
  now: number,
): Search {
  const asks: (Claim | Promise<Claim>)[] = [];
  const stamp = proof.backend?.life.stampAt(proof.issued);
  for (let s = 0; s < x.keys.length; s++) {
    const { key, strategy } = x.keys[s]!;
    if (s === proven) asks.push(store.recall(key, pool, proof.backend, issuer!.by, proof.began, now, stamp));
    else if ((unknown & (1 << s)) !== 0) asks.push(store.recall(key, pool, null, strategy!.by, now, now));
  }
  x.recalled = true;
  x.asked = Promise.all(asks).then((said) => (said.includes(Claim.refused) ? Claim.refused : Claim.joined));
  return Search.awaitStore;
}

/**
 * Whether a request with an id that was rotated away a moment ago is one that its browser had sent before it read the
 * new one: browsers say so of requests that their own page makes (Fetch Metadata). Such a request goes to the backend
 * of the session, without a session. Whoever else has the old id begins a new one.
 */
function isLate(
  x: Exchange,
  found: FoundKey,
  head: Head,
  runtime: PoolRuntime,
  table: SearchedRows,
  now: number,
): boolean {
  const rotatedAt = table.successor(found.key, successor);
  if (rotatedAt === 0 || now - rotatedAt > LATE_MS) return false;
  const line = head.find(SITE, SITE_HASH);
  if (line < 0 || head.value(line) !== 'same-origin') return false;
  if (table.peek(successor, now, other) === Lookup.LIVE) x.boundBackend = boundBackend(runtime.pool, other);
  return true;
}

/**
 * Sessions of pools that bind them: one that is bound to nothing yet, or to what does not count any more, is from now
 * on; one that comes from elsewhere goes on as bound to that.
 */
function observe(x: Exchange, table: SearchedRows): void {
  const { row, binding } = x;
  if (row.binding === binding) return;
  table.setBinding(x.found.key, binding);
  row.binding = binding;
}

function precisionOf({ issued, created }: Row): number {
  return issued - created < COARSE_AFTER ? 0 : COARSE;
}

/**
 * A cookie that is newer than what this node has sent: another node has answered the session since, and may have moved
 * it. Its word is the later one. So nodes agree on a session that had to move, also without a store that they share.
 */
function follow(found: FoundKey, row: Row, runtime: PoolRuntime, table: SearchedRows, now: number): void {
  // A date that somebody made up changes nothing.
  if (row.issued === 0 || !runtime.issuer!.verify(found, now, proof)) return;
  const { backend } = proof;
  if (backend !== null && (backend.slot !== row.backend || !backend.life.owns(row.generation))) {
    // The application was told of the move by the node that made it.
    const stamp = backend.life.stampAt(proof.issued);
    table.applyStoreAnswer(found.key, backend.slot, stamp, row.created, row.moves + 1, now, row);
  }
  table.setIssued(found.key, proof.issued);
  row.issued = proof.issued;
}

/**
 * A cookie whose row is gone: it carries its own proof (behaviours 9, 11).
 * @returns adopted: `found` is it, and `proof` what it says
 */
function adopt(
  x: Exchange,
  head: Head,
  runtime: PoolRuntime,
  table: SearchedRows,
  store: SessionStore,
  found: FoundKey,
  now: number,
): number {
  const { first, idleNth, idleIssued } = looked;
  const issuer = runtime.issuer!;
  const { idle, lifetime } = runtime.pool.config.session;
  let outcome: number = idleNth < 0 ? Outcome.invalid : Outcome.expired;
  for (let nth = first; nth < MAX_KEYS; nth++) {
    const result = issuer.find(head, x.client.address, nth, found);
    if (result === Find.none) break;
    if (result !== Find.found || !issuer.verify(found, now, proof)) continue;
    // One behind the first unknown one may have been ended: its signature does not bring it back (behaviour 24).
    const known = table.peek(found.key, now, other);
    // So may one from before the oldest end that is still remembered.
    const forgotten = proof.issued < table.floor && known !== Lookup.LIVE && !store.remembersEnds;
    if (known === Lookup.ENDED || forgotten) {
      outcome = Outcome.ended;
      continue;
    }
    if (isForeign(x, runtime)) {
      x.mismatch = format(found.key);
      if (runtime.binding!.mode === 'reject') return FOREIGN;
      if (runtime.binding!.mode === 'renew') continue;
    }
    const over = nth === idleNth && proof.issued <= idleIssued + COARSE;
    if (over || now - proof.issued >= idle || now - proof.began >= lifetime) {
      outcome = Outcome.expired;
      x.expired = now - proof.began >= lifetime ? 'lifetime' : 'idle';
      continue;
    }
    return Outcome.adopted;
  }
  return outcome;
}

/** Whether the cookie's session is bound to another client than this one. */
function isForeign(x: Exchange, { binding }: PoolRuntime): boolean {
  return binding !== null && isBoundElsewhere(proof.binding, x.binding);
}
