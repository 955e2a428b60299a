import { KEY_SOURCES } from '../affinity/strategy.ts';
import type { Backend } from '../backends/backend.ts';
import { boundBackend } from '../backends/bound-backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { UserNames } from '../sessions/users/user-names.ts';
import type { BackendView, PoolView, SessionView } from './control-plane.ts';
import { lastErrorOf } from './last-error.ts';
import type { LiveParts } from './live-parts.ts';

/** Of Date, ms since epoch. */
const LAST_DATE_MS = 8.64e15;

/** What the views of pools and backends are made from. */
type Live = Pick<LiveParts, 'state' | 'table' | 'discovered' | 'now'>;

/** The fields of a row that a view shows. */
interface SessionFields {
  readonly pool: number;
  /** Slot of the backend. */
  readonly backend: number;
  readonly generation: number;
  readonly created: number;
  readonly lastSeen: number;
  readonly requests: number;
  readonly moves: number;
  readonly by: number;
  /** The two words of the user's hash; both 0: not known. */
  readonly userA: number;
  readonly userB: number;
}

/** A pool with its backends, as the admin API shows it. */
export function poolView(pool: Pool, live: Live): PoolView {
  return {
    name: pool.name,
    balance: pool.config.balance,
    sessions: live.table.sessionsOfPool(pool.index),
    backends: pool.backends.map((backend) => backendView(backend, live)),
  };
}

/** A backend, as the admin API shows it. */
export function backendView(backend: Backend, { state, table, discovered, now }: Live): BackendView {
  const { id, url, slot, departing, life } = backend;
  const latency = state.latency(slot);
  const error = lastErrorOf(state, slot, now());
  return {
    id,
    url,
    departing,
    discovered: discovered?.().has(`${backend.pool}/${id}`) ?? false,
    state: state.adminState(slot),
    health: state.ejected(slot) ? 'down' : state.health(slot),
    weight: state.configuredWeight(slot),
    activeRequests: state.active(slot),
    sessions: table.sessions(slot),
    requests: state.requests(slot),
    failures: state.failures(slot),
    latency: latency === 0 ? null : Math.round(latency * 1000) / 1000,
    lastChange: iso(state.lastChange(slot)),
    life: life.number,
    lifeBegan: life.began === 0 ? null : iso(life.began),
    lastError: error?.code ?? null,
    lastErrorAt: error === null ? null : iso(error.at),
  };
}

/** A session, as the admin API shows it. `key` is its public id. */
export function sessionView(key: string, pool: Pool, fields: SessionFields, users: UserNames): SessionView {
  const { idle, lifetime } = pool.config.session;
  return {
    key,
    pool: pool.name,
    backend: boundBackend(pool, fields)?.id ?? null,
    created: iso(fields.created),
    lastSeen: iso(fields.lastSeen),
    idleExpiresAt: iso(Math.min(fields.lastSeen + idle, fields.created + lifetime)),
    endsAt: iso(fields.created + lifetime),
    requests: fields.requests,
    by: KEY_SOURCES[fields.by] ?? 'unknown',
    user: users.name(fields.userA, fields.userB),
    moves: fields.moves,
  };
}

/** ISO 8601 in UTC. What is no date any more is the last one that there is. */
export function iso(ms: number): string {
  return new Date(Math.abs(ms) <= LAST_DATE_MS ? ms : LAST_DATE_MS).toISOString();
}
