import type { Registry } from 'prom-client';
import type { SessionEnd } from '../logging/recent-ends.ts';
import { CounterSums } from '../metrics/counter-sums.ts';
import { metricsRegistry } from '../metrics/registry.ts';
import type { ExplainQuery, Explanation } from '../proxy/explain/explanation.ts';
import type {
  BackendPatch,
  BackendView,
  ControlPlane,
  EndsQuery,
  EvacuationView,
  Phase,
  PoolView,
  ReloadView,
  Result,
  SessionEndsView,
  SessionPage,
  SessionQuery,
  SessionView,
  SimulationQuery,
  SimulationView,
  StatusView,
} from './control-plane.ts';
import type { EventStream } from './events/event-stream.ts';
import { findBackend, findPool } from './find-backend.ts';
import { liveMetricsSource } from './live-metrics-source.ts';
import { LiveMoves } from './live-moves.ts';
import type { LiveParts } from './live-parts.ts';
import { LiveSessions } from './live-sessions.ts';
import { refused } from './refused.ts';
import { type ReloadOutcome, Reloads } from './reloads.ts';
import { backendView, iso, poolView } from './views.ts';

/** The admin API's view of a running limpet, and its hands. Runs in the supervisor. */
export class LiveControlPlane implements ControlPlane {
  /**
   * The reloads that the parts can do, one after another. Whatever else asks for one (a signal, file watching) does it
   * by `reloads.run()`, so that status and metrics know of it. Null: there is no file to read again.
   */
  readonly reloads: Reloads | null;
  readonly events: EventStream;
  readonly #parts: LiveParts;
  readonly #sums: CounterSums;
  readonly #registry: Registry;
  readonly #sessions: LiveSessions;
  readonly #moves: LiveMoves;

  /** @param processMetrics as for `metricsRegistry` */
  constructor(parts: LiveParts, processMetrics = true) {
    this.#parts = parts;
    this.events = parts.events;
    this.#sums = new CounterSums(parts.counters);
    this.#sessions = new LiveSessions(parts);
    this.#moves = new LiveMoves(parts);
    this.reloads = parts.reload === undefined ? null : new Reloads(parts.reload, parts.now);
    this.#registry = metricsRegistry({
      source: liveMetricsSource(parts, this.reloads),
      sums: this.#sums,
      labelled: parts.labelled,
      processMetrics,
    });
  }

  unready(): readonly string[] {
    return this.#parts.readiness.reasons;
  }

  ready(): Phase {
    return this.#parts.phase();
  }

  status(): StatusView {
    const { version, startedAt, now, phase, pools, configGeneration, listeners, workers, state, table, store } =
      this.#parts;
    const slots = pools().flatMap(({ backends }) => backends.map(({ slot }) => slot));
    const last = this.reloads?.last ?? null;
    const stored = store?.() ?? { type: 'memory', up: true, since: startedAt, pending: 0 };
    return {
      version,
      state: phase(),
      startedAt: iso(startedAt),
      uptime: Math.max(0, Math.floor((now() - startedAt) / 1000)),
      workers: workers.running(),
      workerRestarts: workers.restarts(),
      listeners: listeners().map(({ bind, address, index }) => ({
        bind,
        address,
        connections: this.#sums.connections(index),
      })),
      sessions: table.size,
      requests: this.#sums.requests,
      activeRequests: slots.reduce((sum, slot) => sum + state.active(slot), 0),
      configGeneration: configGeneration(),
      reloadable: this.reloads !== null,
      lastReload: last === null ? null : { ...last, at: iso(last.at) },
      store: { ...stored, since: iso(stored.since) },
    };
  }

  pools(): readonly PoolView[] {
    return this.#parts.pools().map((pool) => poolView(pool, this.#parts));
  }

  pool(name: string): Result<PoolView> {
    const pool = findPool(this.#parts.pools(), name);
    return 'ok' in pool ? pool : { ok: true, value: poolView(pool, this.#parts) };
  }

  patchBackend(poolName: string, id: string, patch: BackendPatch): Result<BackendView> {
    const { state, pools, onAdminChange } = this.#parts;
    const pool = findPool(pools(), poolName);
    if ('ok' in pool) return pool;
    const backend = findBackend(pool, id);
    if ('ok' in backend) return backend;
    if (backend.departing && patch.state === 'ready') {
      return refused(
        409,
        `The backend ${id} is not in the configuration any more and goes when its sessions have ended: put it back into the file and reload.`,
      );
    }
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
    return { ok: true, value: backendView(backend, this.#parts) };
  }

  backendRestarted(poolName: string, id: string): Result<BackendView> {
    const pool = findPool(this.#parts.pools(), poolName);
    if ('ok' in pool) return pool;
    const backend = findBackend(pool, id);
    if ('ok' in backend) return backend;
    this.#parts.restarts.end(backend, backend.life.number, 'operator');
    return { ok: true, value: backendView(backend, this.#parts) };
  }

  sessions(query: SessionQuery): Promise<Result<SessionPage>> {
    return this.#sessions.list(query);
  }

  session(key: string): Promise<Result<SessionView>> {
    return this.#sessions.see(key);
  }

  ends({ limit, key, user }: EndsQuery): SessionEndsView {
    const { ends, users } = this.#parts;
    const userOf = ({ userA, userB }: SessionEnd) => ((userA | userB) === 0 ? null : users.name(userA, userB));
    const found =
      ends?.find(
        (end) => (key === undefined || end.key === key) && (user === undefined || userOf(end) === user),
        limit,
      ) ?? [];
    const orNull = (text: string) => (text === '' ? null : text);
    return {
      kept: ends?.size ?? 0,
      ends: found.map((end) => ({
        time: new Date(end.time).toISOString(),
        event: end.event as 'ended' | 'expired' | 'evicted',
        reason: orNull(end.reason),
        key: end.key,
        pool: end.pool,
        backend: orNull(end.backend),
        user: userOf(end),
        client: orNull(end.client),
      })),
    };
  }

  endSession(key: string): Promise<Result<null>> {
    return this.#sessions.end(key);
  }

  moveSession(key: string, backend: string): Promise<Result<SessionView>> {
    return this.#sessions.move(key, backend);
  }

  async reload(): Promise<Result<ReloadView>> {
    if (this.reloads === null) {
      return refused(409, 'This limpet runs without a configuration file: there is none to read again.');
    }
    return reloadResult(await this.reloads.run());
  }

  simulate(query: SimulationQuery): Promise<Result<SimulationView>> {
    return this.#moves.simulate(query);
  }

  async explain(query: ExplainQuery): Promise<Result<Explanation>> {
    const explained = await this.#parts.explain(query);
    return typeof explained === 'string' ? refused(400, explained) : { ok: true, value: explained };
  }

  evacuate(pool: string, backend: string): Promise<Result<EvacuationView>> {
    return this.#moves.evacuate(pool, backend);
  }

  async metrics(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

function reloadResult(outcome: ReloadOutcome): Result<ReloadView> {
  if (!outcome.ok) {
    return refused(422, 'The configuration is not usable, and nothing has changed: errors says why.', outcome.errors);
  }
  const { generation, changes, warnings } = outcome;
  return { ok: true, value: { generation, changes, warnings } };
}
