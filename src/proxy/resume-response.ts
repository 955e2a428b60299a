/**
 * A response that broke after the client had its head goes on at another backend (behaviours 48 to 50); what can go on
 * and what is a fit answer is in upstream/resume.ts. The attempt itself is one like any other: handler.ts chooses its
 * backend, sends it and counts it. All that differs is here.
 *
 * The session moves with its response: the request for the rest tells the application so, as any other that moves a
 * session, and when the rest comes the row names the backend that brings it. The client has its head already, so no
 * cookie can be sent with it: the row forgets when its cookie was sent, and the next response of the session refreshes
 * it. What the answer says of sessions otherwise (Set-Cookie, `Limpet-Session`, `Limpet-User`) counts for nothing: the
 * response that broke has said it.
 */

import type { Backend } from '../backends/backend.ts';
import { boundBackend } from '../backends/bound-backend.ts';
import type { Attempt } from '../exchange/attempt.ts';
import type { Exchange } from '../exchange/exchange.ts';
import type { PoolRuntime } from '../exchange/pool-runtime.ts';
import { Stage } from '../exchange/stage.ts';
import type { Framing, Head } from '../http1/head.ts';
import type { Logger } from '../logging/logger.ts';
import type { LabelledCounters } from '../metrics/labelled-counters.ts';
import { Outcome } from '../metrics/outcomes.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { Lookup } from '../sessions/table/lookup.ts';
import type { SessionTable } from '../sessions/table/table.ts';
import { CONDITIONS, rangeLines, refusal, restOf, resumable } from '../upstream/resume.ts';
import { mayRetry } from './retry.ts';
import { noteMove } from './session/note-move.ts';
import { sessionTail } from './session/session-confirm.ts';

/** What it needs of a worker. */
interface ResumeParts {
  readonly table: SessionTable;
  readonly store: SessionStore;
  readonly labelled: LabelledCounters;
  readonly log: Logger;
  readonly requester: { client: string };
}

/**
 * Keeps what is needed should the response break whose head this is. A request with a body is not asked for a range of
 * its answer.
 */
export function rememberForResume(x: Exchange, head: Head, framing: Framing): void {
  x.resumption = x.method === 'GET' && x.bodyDone && x.bodyBytes === 0 ? resumable(head, framing) : null;
}

/**
 * The response broke at `backend`: makes the exchange ready for an attempt at the rest of it.
 * @returns false: it is not one that can go on
 */
export function beginResume(x: Exchange, backend: Backend): boolean {
  if (x.resumption === null || !mayRetry(x, Stage.exchange)) return false;
  x.strippedFields = x.strippedFields === null ? CONDITIONS : x.strippedFields.union(CONDITIONS);
  // A response has begun: there is nothing to switch to any more.
  x.upgrade = '';
  // It has answered: it is where the session is, also one that began with this request.
  if (x.strategy !== null) {
    x.bound = true;
    x.boundBackend = backend;
  }
  return true;
}

/** What ends the head of a request for the rest: CRLF, the range, the lines about the session, the empty line. */
export function resumeTail(x: Exchange, runtime: PoolRuntime, backend: Backend): string {
  return `\r\n${rangeLines(x.resumption!, x.bytesOut)}${sessionTail(x, runtime, backend)}`;
}

/**
 * The head of an answer to such a request has come. When it brings the rest, the session moves along and the body goes
 * on.
 * @returns false: it does not, and must not reach the client
 */
export function resumeFrom(x: Exchange, upstream: Attempt, head: Head, framing: Framing, parts: ResumeParts): boolean {
  const resumption = x.resumption!;
  const backend = x.backend!;
  const runtime = x.runtime!;
  const pool = runtime.pool.name;
  const what = { pool, backend: backend.id, sent: x.bytesOut, request: x.requestId };
  const problem = refusal(resumption, x.bytesOut, head, framing);
  if (problem !== '') {
    parts.log.info({ ...what, problem }, 'broken response not resumed');
    return false;
  }
  upstream.continueBody(restOf(resumption, x.bytesOut));
  parts.labelled.add('limpet_resumed_total', pool);
  parts.log.info(what, 'broken response resumed');
  parts.requester.client = x.client.address;
  const home = x.boundBackend;
  if (takeSession(x, backend, runtime, parts)) noteMove(x, home, backend, parts);
  // What flows again is no retry any more: it takes nothing of the budget of others.
  if (x.retrying) {
    x.retrying = false;
    runtime.retrying--;
  }
  return true;
}

/**
 * From here on the session is where the rest of its response comes from.
 * @returns whether it was elsewhere until now; one that has ended meanwhile, or was moved here by another request, was
 *   not
 */
function takeSession(x: Exchange, backend: Backend, runtime: PoolRuntime, { table, store }: ResumeParts): boolean {
  const { row } = x;
  // The choice of this backend has looked at the row anew.
  if (x.strategy === null || !x.hasRow || row.state !== Lookup.LIVE) return false;
  const moves = boundBackend(runtime.pool, row) !== backend;
  if (!moves && row.movedFrom < 0) return false;
  const key = x.found.key;
  const now = Date.now();
  if (moves) store.move(key, runtime.pool, backend, x.moveReason, now, row);
  table.confirm(key, backend.slot, now);
  if (x.strategy === runtime.issuer) table.setIssued(key, 0);
  if (moves && (x.outcome === Outcome.bound || x.outcome === Outcome.adopted)) x.outcome = Outcome.moved;
  x.boundBackend = backend;
  return moves;
}
