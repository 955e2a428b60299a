/**
 * Holds a failed attempt against its backend, as far as it is the backend's fault. All of src that blames a backend
 * does it here: the counts of the admin API, passive ejection, and what the retry budget and failback go by.
 */
import { clientNetwork } from '../affinity/client-network.ts';
import type { Backend } from '../backends/backend.ts';
import type { SharedState } from '../backends/shared-state.ts';
import { ERROR_CODES, ERRORS, type ErrorKind } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import { Stage } from '../exchange/stage.ts';
import { Evidence } from '../health/evidence.ts';
import type { Accuser } from '../health/outlier.ts';
import type { Key } from '../keys/key.ts';

/**
 * Reasons of Upstream that are nobody's failure: the backend has not looked at the request (RFC 9113 8.7), limpet took
 * the request away from it, or it was one of several that ended with their HTTP/2 session, whose end counts once.
 */
const BLAMELESS = new Set(['REFUSED_STREAM', 'taken out', 'CONNECTION_LOST']);

/**
 * What an attempt that failed at `stage` says against its backend: a value of Evidence. Once a response has a good
 * head, its backend has answered: one that is quiet from there on, or breaks off, or has a body that is wrong, says
 * nothing of other requests.
 */
function evidenceOf(stage: Stage, kind: ErrorKind, why: string): number {
  if (BLAMELESS.has(why) || stage === Stage.committed) return Evidence.none;
  if (kind === ERRORS.BACKEND_CONNECT) return Evidence.connect;
  return kind === ERRORS.BACKEND_RESET || kind === ERRORS.BACKEND_TIMEOUT ? Evidence.request : Evidence.none;
}

/**
 * An attempt of `x` at `backend` has failed.
 * @param why as Upstream says it
 * @param now in ms of the worker's wheel
 */
export function blame(
  x: Exchange,
  backend: Backend,
  state: SharedState,
  stage: Stage,
  kind: ErrorKind,
  why: string,
  now: number,
): void {
  const { slot } = backend;
  const runtime = x.runtime!;
  // Taken away from a backend in maintenance: the operator's doing.
  if (state.adminState(slot) === 'maintenance') return;
  // A limit that is reached in the middle of a body is no failure at all, unless somebody else has to be asked for the
  // rest.
  if (stage === Stage.committed && kind === ERRORS.BACKEND_TIMEOUT && x.resumption === null) return;
  state.recordFailure(slot, ERROR_CODES.indexOf(kind.code));
  const evidence = evidenceOf(stage, kind, why);
  if (evidence === Evidence.none) return;
  runtime.failures.note(backend, now);
  runtime.outlier?.record(backend, evidence, accuser(x), Date.now());
}

/** A backend has answered 502, 503 or 504. */
export function blameStatus(x: Exchange, backend: Backend, { outlier }: PoolRuntime): void {
  outlier?.record(backend, Evidence.status, accuser(x), Date.now());
}

/**
 * The backend of `x` has answered a status that is to be tried elsewhere (`retry.statuses`): it is one of those that
 * the retry budget protects.
 */
export function noteRetried(x: Exchange, { failures }: PoolRuntime, now: number): void {
  failures.note(x.backend!, now);
}

/** And it is: a failure, but none of those that have a code. The last one that had stays the last. */
export function countRetried({ slot }: Backend, state: SharedState): void {
  state.recordFailure(slot, -1);
}

/**
 * The session of `x`, which was named by `former`, has another key: it is still the same that speaks against the
 * backend.
 */
export function keepAccuser(x: Exchange, former: Key, backend: Backend, { outlier }: PoolRuntime): void {
  outlier?.renamed(backend, hashOf(former), hashOf(x.found.key), Date.now());
}

function accuser(x: Exchange): Accuser {
  const known = x.strategy !== null && x.bound && !x.fresh && !x.claimed;
  return { session: known ? hashOf(x.found.key) : 0, began: x.createdAt, address: addressHash(x.client.address) };
}

function hashOf(key: Key): number {
  return key.a ^ key.c || 1;
}

/** Whole IPv4 addresses; of IPv6 the /64, which one customer has (RFC 6177). */
function addressHash(client: string): number {
  const network = clientNetwork(client, 32, 64) ?? client;
  let hash = 0x811c9dc5;
  for (let i = 0; i < network.length; i++) hash = Math.imul(hash ^ network.charCodeAt(i), 0x01000193);
  return hash | 0;
}
