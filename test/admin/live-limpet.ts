import type { AdminChange } from '../../src/admin/admin-change.ts';
import type { Phase } from '../../src/admin/control-plane.ts';
import { EventStream } from '../../src/admin/events/event-stream.ts';
import { LiveControlPlane } from '../../src/admin/live-control-plane.ts';
import type { LiveParts, Preview } from '../../src/admin/live-parts.ts';
import { Readiness } from '../../src/admin/readiness.ts';
import { buildPools } from '../../src/backends/build-pools.ts';
import { SharedState } from '../../src/backends/shared-state.ts';
import { SlotRegistry } from '../../src/backends/slots.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Restarts } from '../../src/health/restarts.ts';
import { Key } from '../../src/keys/key.ts';
import { format } from '../../src/keys/public-id.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';
import { Row, SessionTable } from '../../src/sessions/table/table.ts';
import { UserNames } from '../../src/sessions/users/user-names.ts';

/** The configuration that it runs by. */
export const CONFIG = `
listeners: [{ bind: "127.0.0.1:0" }]
routes: [{ match: { path: /api }, pool: api }, { pool: shop }]
pools:
  shop:
    backends:
      - { id: a, url: "http://127.0.0.1:9001", replicas: [b] }
      - { id: b, url: "http://127.0.0.1:9002", weight: 3 }
      - { id: c, url: "http://127.0.0.1:9003", state: drain }
    session: { idle: 30m, lifetime: 12h }
  api:
    balance: random
    affinity: [{ by: cookie, name: limpet-api }]
    backends:
      - { id: a, url: "http://127.0.0.1:9004" }
      - { id: only, url: "http://127.0.0.1:9005" }
`;
const SLOTS = 16;
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** The parts of a limpet without its traffic: real shared memory, a clock that stands still. */
export class LiveLimpet {
  /** Wall clock, ms since epoch. */
  now = Date.UTC(2026, 0, 31, 12);
  phase: Phase = 'ready';
  restarts = 0;
  readonly changes: AdminChange[] = [];
  readonly state: SharedState;
  readonly table: SessionTable;
  readonly users = new UserNames(new Uint8Array(32).fill(1));
  /** The table and state of worker 0, and its counters. */
  readonly worker: { readonly table: SessionTable; readonly state: SharedState; readonly counters: Counters };
  readonly pools: ReturnType<typeof buildPools>;
  readonly control: LiveControlPlane;
  readonly #slots = new SlotRegistry(SLOTS);
  #keys = 0;

  /** @param more parts that a test adds or puts in place of the usual ones */
  constructor(maxSessions = 1000, more: Partial<LiveParts> = {}) {
    const loaded = parseConfig(CONFIG, 'limpet.yaml', {});
    if ('errors' in loaded) throw new Error(JSON.stringify(loaded.errors));
    const { config } = loaded;
    const clock = () => this.now;
    const stateMemory = SharedState.allocate(2, SLOTS);
    const tableMemory = SessionTable.allocate(maxSessions, SLOTS);
    const counters = Counters.allocate(2, 2, SLOTS, 1);
    this.state = new SharedState(stateMemory, -1, clock);
    this.table = new SessionTable(tableMemory, 1);
    this.worker = {
      table: new SessionTable(tableMemory, 2),
      state: new SharedState(stateMemory, 0, clock),
      counters: new Counters(counters, 0),
    };
    const slots = this.#slots;
    for (const [name, pool] of Object.entries(config.pools)) {
      for (const { id, state, weight } of pool.backends)
        this.state.reset(slots.assign(name, id).slot, { admin: state, weight });
    }
    this.pools = buildPools(config, slots.assignments, { layout: this.state.layout });
    for (const { index, config: pool } of this.pools)
      this.table.setLimits(index, pool.session.idle, pool.session.lifetime);
    const parts: LiveParts = {
      version: '1.2.3',
      startedAt: this.now,
      now: clock,
      phase: () => this.phase,
      readiness: new Readiness(),
      pools: () => this.pools,
      configGeneration: () => 1,
      listeners: () => [{ bind: '127.0.0.1:0', address: 'http://127.0.0.1:8080', index: 0 }],
      workers: { running: () => 2, restarts: () => this.restarts },
      state: this.state,
      table: this.table,
      users: this.users,
      counters,
      labelled: new LabelledTotals(),
      restarts: new Restarts({ count: () => {}, log: { warn() {} }, now: () => this.now }),
      events: new EventStream(),
      onAdminChange: (change) => void this.changes.push(change),
      preview: (text) => this.#preview(text),
      explain: async () => 'url: is explained by a whole limpet only.',
      ...more,
    };
    this.control = new LiveControlPlane(parts, false);
  }

  /** Slot of a backend. */
  slot(pool: string, backend: string): number {
    return this.#backend(pool, backend).slot;
  }

  /** A session that a backend has answered, as traffic makes it. */
  session(pool: string, backend: string, generation?: number): { key: Key; id: string } {
    const key = new Key();
    this.#keys++;
    key.set(
      this.#keys,
      Math.imul(this.#keys, 0x9e3779b9),
      Math.imul(this.#keys, 0x85ebca6b),
      Math.imul(this.#keys, 0xc2b2ae35),
    );
    const { poolIndex, slot, generation: current } = this.#backend(pool, backend);
    this.worker.table.claim(key, poolIndex, slot, generation ?? current, 0, this.now, new Row());
    this.worker.table.confirm(key, slot, this.now);
    return { key, id: format(key) };
  }

  /** What a reload would make of the pools; a backend that is new gets a slot, which only this preview uses. */
  #preview(text: string): Preview {
    const loaded = parseConfig(text, 'other.yaml', {});
    if ('errors' in loaded) return loaded;
    for (const [name, pool] of Object.entries(loaded.config.pools))
      for (const { id } of pool.backends) this.#slots.assign(name, id);
    return {
      pools: buildPools(loaded.config, this.#slots.assignments),
      changes: [{ path: 'pools.shop', change: 'changed' }],
    };
  }

  #backend(pool: string, backend: string) {
    return this.pools.find(({ name }) => name === pool)!.byId.get(backend)!;
  }
}
