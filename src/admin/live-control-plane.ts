import { setImmediate } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import { metricsRegistry } from '../metrics/registry.ts';
import { Key } from '../sessions/key.ts';
import { MoveReason } from '../sessions/move-reasons.ts';
import { parse } from '../sessions/public-id.ts';
import { Lookup, Row } from '../sessions/table.ts';
import type {
  BackendPatch,
  BackendView,
  ControlPlane,
  Phase,
  PoolView,
  Refused,
  Result,
  SessionPage,
  SessionQuery,
  SessionView,
  StatusView,
} from './control-plane.ts';
import { liveMetricsSource } from './live-metrics-source.ts';
import type { LiveParts } from './live-parts.ts';
import { backendView, boundBackend, iso, poolView, sessionView } from './views.ts';

/** Rows of the table that are looked at before probes and other requests have their turn. */
const ROWS_AT_ONCE = 65_536;
/** A move that traffic keeps overtaking: each of them is another failover of the same session. */
const MOVE_TRIES = 4;

/** A session that is live now: scratch, valid until the next look. */
interface Found {
  readonly key: Key;
  readonly row: Row;
  readonly pool: Pool;
}

/** The admin API's view of a running limpet, and its hands. Runs in the supervisor. */
export class LiveControlPlane implements ControlPlane {
  readonly #parts: LiveParts;
  readonly #sums: CounterSums;
  readonly #registry: Registry;
  readonly #key = new Key();
  readonly #row = new Row();

  /** @param processMetrics as for `metricsRegistry` */
  constructor(parts: LiveParts, processMetrics = true) {
    this.#parts = parts;
    this.#sums = new CounterSums(parts.counters);
    this.#registry = metricsRegistry({
      source: liveMetricsSource(parts),
      sums: this.#sums,
      rare: parts.rare,
      processMetrics,
    });
  }

  ready(): Phase {
    return this.#parts.phase();
  }

  status(): StatusView {
    const { version, startedAt, now, phase, pools, configGeneration, listeners, workers, state, table } = this.#parts;
    const slots = pools().flatMap(({ backends }) => backends.map(({ slot }) => slot));
    return {
      version,
      state: phase(),
      startedAt: iso(startedAt),
      uptime: Math.max(0, Math.floor((now() - startedAt) / 1000)),
      workers: workers.running(),
      workerRestarts: workers.restarts(),
      listeners: listeners().map(({ bind, address }, i) => ({ bind, address, connections: this.#sums.connections(i) })),
      sessions: table.size,
      requests: this.#sums.requests,
      activeRequests: slots.reduce((sum, slot) => sum + state.active(slot), 0),
      configGeneration: configGeneration(),
    };
  }

  pools(): readonly PoolView[] {
    const { pools, state, table } = this.#parts;
    return pools().map((pool) => poolView(pool, state, table));
  }

  pool(name: string): Result<PoolView> {
    const { state, table } = this.#parts;
    const pool = this.#poolByName(name);
    return 'ok' in pool ? pool : { ok: true, value: poolView(pool, state, table) };
  }

  patchBackend(poolName: string, id: string, patch: BackendPatch): Result<BackendView> {
    const { state, table, onAdminChange } = this.#parts;
    const pool = this.#poolByName(poolName);
    if ('ok' in pool) return pool;
    const backend = backendOf(pool, id);
    if ('ok' in backend) return backend;
    const { slot } = backend;
    const wish = () => ({ state: state.adminState(slot), weight: state.configuredWeight(slot) });
    const before = wish();
    // Weight first: a backend made ready with a new weight never gets sessions by its old one.
    if (patch.weight !== undefined && patch.weight !== before.weight) state.setWeight(slot, patch.weight);
    if (patch.state !== undefined) state.setAdminState(slot, patch.state);
    const after = wish();
    if (after.state !== before.state || after.weight !== before.weight) {
      onAdminChange({ kind: 'backend', pool: pool.name, backend: id, before, after });
    }
    return { ok: true, value: backendView(backend, state, table) };
  }

  async sessions(query: SessionQuery): Promise<Result<SessionPage>> {
    const { table, now, pools } = this.#parts;
    const only = this.#filter(query);
    if ('ok' in only) return only;
    const byIndex = new Map(pools().map((pool) => [pool.index, pool]));
    const sessions: SessionView[] = [];
    let cursor = query.cursor ?? null;
    do {
      let page: ReturnType<typeof table.list>;
      try {
        page = table.list(
          {
            limit: query.limit - sessions.length,
            scan: ROWS_AT_ONCE,
            ...(cursor === null ? {} : { cursor }),
            ...(only.pool === null ? {} : { pool: only.pool.index }),
            ...(only.backend === null ? {} : { backend: only.backend.slot }),
          },
          now(),
        );
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return refused(400, `cursor: ${error.message}`);
      }
      for (const entry of page.sessions) {
        const pool = byIndex.get(entry.pool);
        if (pool === undefined) continue;
        if (only.backend !== null && boundBackend(pool, entry) !== only.backend) continue;
        sessions.push(sessionView(entry.key, pool, entry));
      }
      cursor = page.cursor;
      if (cursor !== null && sessions.length < query.limit) await setImmediate();
      else break;
    } while (cursor !== null);
    return { ok: true, value: { sessions, cursor } };
  }

  session(key: string): Result<SessionView> {
    const found = this.#find(key);
    return 'ok' in found ? found : { ok: true, value: sessionView(key, found.pool, found.row) };
  }

  endSession(key: string): Result<null> {
    const found = this.#find(key);
    if ('ok' in found) return found;
    const { table, now, onAdminChange } = this.#parts;
    const { pool, row } = found;
    const backend = boundBackend(pool, row)?.id ?? null;
    // The cookie carries when the session began, and no cookie is believed beyond the lifetime from there (behaviour 24).
    const until = row.created + pool.config.session.lifetime;
    if (!table.end(found.key, now(), until)) return unknownSession(key);
    onAdminChange({ kind: 'session-ended', pool: pool.name, key, backend });
    return { ok: true, value: null };
  }

  moveSession(key: string, id: string): Result<SessionView> {
    const { table, state, rare, now, onAdminChange } = this.#parts;
    let found = this.#find(key);
    for (let tries = 0; !('ok' in found); tries++) {
      const { pool, row } = found;
      const target = backendOf(pool, id);
      if ('ok' in target) return target;
      const from = boundBackend(pool, row);
      if (from === target) return { ok: true, value: sessionView(key, pool, row) };
      if (!state.isUsable(target.slot) || state.adminState(target.slot) === 'drain') return unavailable(target, state);
      const { backend: slot, generation } = row;
      if (table.move(found.key, slot, target.slot, target.generation, MoveReason.operator, now(), row, generation)) {
        rare.add([
          { name: 'limpet_failovers_total', labels: [pool.name, from?.id ?? 'unknown', id, 'operator'], count: 1 },
        ]);
        onAdminChange({ kind: 'session-moved', pool: pool.name, key, from: from?.id ?? null, to: id });
        return { ok: true, value: sessionView(key, pool, row) };
      }
      if (tries === MOVE_TRIES) return refused(409, `The session ${key} is being moved by its traffic: try again.`);
      found = this.#find(key);
    }
    return found;
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #find(id: string): Found | Refused {
    const { table, now, pools } = this.#parts;
    if (!parse(id, this.#key)) {
      return refused(404, `${JSON.stringify(id)} is not the key of a session: GET /api/v1/sessions lists them.`);
    }
    if (table.peek(this.#key, now(), this.#row) !== Lookup.LIVE) return unknownSession(id);
    const pool = pools().find(({ index }) => index === this.#row.pool);
    return pool === undefined ? unknownSession(id) : { key: this.#key, row: this.#row, pool };
  }

  #poolByName(name: string): Pool | Refused {
    const pools = this.#parts.pools();
    const pool = pools.find((candidate) => candidate.name === name);
    return pool ?? refused(404, `There is no pool ${JSON.stringify(name)}: there ${listed(pools.map((p) => p.name))}.`);
  }

  #filter({ pool: name, backend: id }: SessionQuery): { pool: Pool | null; backend: Backend | null } | Refused {
    const pool = name === undefined ? null : this.#poolByName(name);
    if (pool !== null && 'ok' in pool) return pool;
    if (id === undefined) return { pool, backend: null };
    const candidates = pool === null ? this.#parts.pools().filter(({ byId }) => byId.has(id)) : [pool];
    if (candidates.length > 1) {
      return refused(
        400,
        `backend: ${id} is in several pools (${candidates.map((p) => p.name).join(', ')}): give pool too.`,
      );
    }
    const only = candidates[0];
    if (only === undefined) return refused(404, `There is no backend ${JSON.stringify(id)} in any pool.`);
    const backend = backendOf(only, id);
    return 'ok' in backend ? backend : { pool: only, backend };
  }
}

function backendOf(pool: Pool, id: string): Backend | Refused {
  const ids = pool.backends.map((backend) => backend.id);
  return (
    pool.byId.get(id) ??
    refused(404, `There is no backend ${JSON.stringify(id)} in the pool ${pool.name}: there ${listed(ids)}.`)
  );
}

function unavailable(target: Backend, state: LiveParts['state']): Refused {
  const admin = state.adminState(target.slot);
  const why = admin === 'ready' ? 'down' : `in ${admin}`;
  return refused(409, `The backend ${target.id} is ${why}: the session would not stay there. Choose another one.`);
}

function unknownSession(key: string): Refused {
  return refused(404, `There is no session ${key}: it may have expired or ended.`);
}

function refused(status: Refused['status'], detail: string): Refused {
  return { ok: false, status, detail };
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'is none';
  return `${names.length === 1 ? 'is' : 'are'} ${names.join(', ')}`;
}
