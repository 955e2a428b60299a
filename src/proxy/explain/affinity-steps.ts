import { Find } from '../../affinity/strategy.ts';
import { boundBackend } from '../../backends/bound-backend.ts';
import type { Pool } from '../../backends/pool.ts';
import type { AffinityConfig } from '../../config/schema.ts';
import { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { Claim } from '../../sessions/store/store.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import type { Row } from '../../sessions/table/row.ts';
import type { ExplainStep } from './explanation.ts';
import { spokenTime } from './spoken-time.ts';
import type { Trail, TrailEvent } from './trail.ts';

/**
 * What was found in the request and what the table, the cookie and the store say of it, in the order in which they were
 * asked.
 */
export function affinitySteps(trail: Trail, pool: Pool, now: number): ExplainStep[] {
  const steps: ExplainStep[] = [];
  const seen = new Set<string>();
  for (const event of trail) {
    // A key may be looked at again, for its proof or because the one before it was refused.
    const mark = event.kind === 'find' ? `${event.place} ${event.nth} ${event.result}` : `${event.kind} ${event.id}`;
    if (seen.has(mark)) continue;
    seen.add(mark);
    const step = stepOf(event, pool, now);
    if (step !== null) steps.push(step);
  }
  return steps;
}

function stepOf(event: TrailEvent, pool: Pool, now: number): ExplainStep | null {
  switch (event.kind) {
    case 'find':
      return findStep(event, pool.config.affinity[event.place]!);
    case 'lookup':
      return rowStep(event, pool, now);
    case 'verify':
      return proofStep(event, pool, now);
    case 'ask':
      return storeStep(event);
  }
}

function findStep(
  { nth, result, id }: Extract<TrailEvent, { kind: 'find' }>,
  config: AffinityConfig,
): ExplainStep | null {
  const what = sourceOf(config);
  const which = nth === 0 ? '' : ` (number ${nth + 1} of that name)`;
  switch (result) {
    case Find.none:
      return nth > 0 ? null : { step: 'affinity', outcome: 'none', detail: `The request has not ${what}.` };
    case Find.found:
      return { step: 'affinity', outcome: 'found', detail: `By ${what}${which}: it names the session ${id}.` };
    case Find.invalid:
      return {
        step: 'affinity',
        outcome: 'invalid',
        detail: `By ${what}${which}: what stands there is no key, and counts as none.`,
      };
    case Find.rejected:
      return {
        step: 'affinity',
        outcome: 'rejected',
        detail: `By ${what}${which}: it does not verify, and onInvalid is reject.`,
      };
    case Find.unavailable:
      return {
        step: 'affinity',
        outcome: 'unavailable',
        detail: `By ${what}${which}: there are no keys yet to check it with, and onInvalid is reject.`,
      };
    // Waited for, and looked at again.
    default:
      return null;
  }
}

/** A key source in words. */
export function sourceOf(config: AffinityConfig): string {
  switch (config.by) {
    case 'cookie':
      return `limpet's cookie ${config.name}`;
    case 'app-cookie':
      return `the application's cookie ${config.name}`;
    case 'header':
      return `the header ${config.name}`;
    case 'query':
      return `the query value ${config.name}`;
    case 'token':
      return `${config.claim === null ? 'the token' : `the claim ${config.claim} of the token`} in ${config.from}${config.verify === null ? '' : ', verified'}`;
    case 'ip':
      return `the client's network (/${config.prefix4}, IPv6 /${config.prefix6})`;
  }
}

function rowStep({ id, found, row }: Extract<TrailEvent, { kind: 'lookup' }>, pool: Pool, now: number): ExplainStep {
  const step = 'session';
  const { idle, lifetime } = pool.config.session;
  switch (found) {
    case Lookup.LIVE:
      return {
        step,
        outcome: 'bound',
        detail: `${id} is ${row.joined ? `another name of the session ${sessionOf(row)}` : 'in the table'}: ${rowWords(row, pool, now)}${row.binding === 0 ? '' : bindingWords(pool)}.`,
      };
    case Lookup.IDLE_EXPIRED:
      return {
        step,
        outcome: 'expired',
        detail: `${id} was last seen ${spokenTime(now - row.lastSeen)} ago, longer than idle (${spokenTime(idle)}).`,
      };
    case Lookup.LIFETIME_EXPIRED:
      return {
        step,
        outcome: 'expired',
        detail: `${id} began ${spokenTime(now - row.created)} ago, longer than lifetime (${spokenTime(lifetime)}).`,
      };
    case Lookup.ENDED:
      return { step, outcome: 'ended', detail: `${id} has ended, or goes on under another id: this one is refused.` };
    case Lookup.FOREIGN:
      return {
        step,
        outcome: 'mismatch',
        detail: `${id} is bound to another client (${pool.config.session.bindTo.join(', ')}) than the one that asks: ${rowWords(row, pool, now)}.`,
      };
    default:
      return { step, outcome: 'unknown', detail: `${id} is not in the table.` };
  }
}

function sessionOf(row: Row): string {
  const key = new Key();
  row.sessionKey(key);
  return format(key);
}

function rowWords(row: Row, pool: Pool, now: number): string {
  const { idle, lifetime } = pool.config.session;
  const left = (limit: number, from: number) =>
    limit > 0 && limit < Infinity ? spokenTime(limit - (now - from)) : 'no end';
  return [
    `on ${backendName(pool, row)}${row.provisional ? ', which has not answered it yet' : ''}`,
    `began ${spokenTime(now - row.created)} ago (${left(lifetime, row.created)} left)`,
    `last seen ${spokenTime(now - row.lastSeen)} ago (idle in ${left(idle, row.lastSeen)})`,
    `${row.requests} request${row.requests === 1 ? '' : 's'}, ${row.moves} move${row.moves === 1 ? '' : 's'}`,
  ].join(', ');
}

function bindingWords({ config }: Pool): string {
  const { bindTo, onBindingMismatch } = config.session;
  const watched = onBindingMismatch === 'observe' ? 'which is only watched' : 'which matches';
  return bindTo.length === 0 ? '' : `, bound to ${bindTo.join(', ')}, ${watched}`;
}

function backendName(pool: Pool, row: Row): string {
  return boundBackend(pool, row)?.id ?? 'a backend that is gone';
}

function proofStep({ id, proof }: Extract<TrailEvent, { kind: 'verify' }>, pool: Pool, now: number): ExplainStep {
  const step = 'cookie';
  if (proof === null) {
    return {
      step,
      outcome: 'invalid',
      detail: `The cookie of ${id} is not signed with a secret of this limpet: it proves nothing.`,
    };
  }
  const { idle, lifetime } = pool.config.session;
  const { began, issued, backend } = proof;
  const home = backend === null ? 'a backend that is not in the pool any more' : backend.id;
  const age = `session begun ${spokenTime(now - began)} ago, cookie made ${spokenTime(now - issued)} ago`;
  if (now - began >= lifetime)
    return {
      step,
      outcome: 'expired',
      detail: `The cookie of ${id} verifies (${age}): longer than lifetime (${spokenTime(lifetime)}).`,
    };
  if (now - issued >= idle)
    return {
      step,
      outcome: 'expired',
      detail: `The cookie of ${id} verifies (${age}): longer than idle (${spokenTime(idle)}).`,
    };
  return { step, outcome: 'verifies', detail: `The cookie of ${id} verifies: on ${home}, ${age}.` };
}

function storeStep({ id, answer }: Extract<TrailEvent, { kind: 'ask' }>): ExplainStep {
  const step = 'store';
  switch (answer) {
    case Claim.bound:
      return { step, outcome: 'bound', detail: `The shared store knows ${id}: another node has it.` };
    case Claim.joined:
      return { step, outcome: 'joined', detail: `The shared store knows ${id} as another name of a session.` };
    case Claim.elsewhere:
      return {
        step,
        outcome: 'elsewhere',
        detail: `The shared store knows ${id}, on a backend that this node does not have.`,
      };
    default:
      return { step, outcome: 'unknown', detail: `The shared store knows no live session ${id}, or does not answer.` };
  }
}
