import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import { type Leaving, planMoves, visitLeaving } from '../balancing/planned-moves.ts';
import { MoveReason } from '../sessions/table/move-reasons.ts';
import { Row } from '../sessions/table/table.ts';
import { configuredMoves } from './configured-moves.ts';
import type { EvacuationView, Result, SimulationQuery, SimulationView } from './control-plane.ts';
import { findBackend, findPool } from './find-backend.ts';
import type { LiveParts } from './live-parts.ts';
import { type Refused, refused } from './refused.ts';

/** Sessions that leave their backend, all together: what would become of them, and moving them. */
export class LiveMoves {
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** See ControlPlane.simulate. */
  async simulate(query: SimulationQuery): Promise<Result<SimulationView>> {
    const { table, state, now } = this.#parts;
    if ('config' in query) return this.#simulateConfig(query.config);
    const [what, name] = 'drain' in query ? ['drain', query.drain] : ['restarted', query.restarted];
    const at = name.indexOf('/');
    if (at < 0)
      return refused(400, `${what}: a backend is named POOL/ID, such as shop/a, not ${JSON.stringify(name)}.`);
    const found = this.#find(name.slice(0, at), name.slice(at + 1));
    if ('ok' in found) return found;
    const { pool, backend } = found;
    if (what === 'restarted' && pool.config.failover.restarted === 'stay')
      return { ok: true, value: { total: 0, moves: [], sessions: [] } };
    const leaving: Leaving =
      what === 'drain'
        ? { pool, backend, home: backend, reason: 'drain', when: 'when-it-goes' }
        : { pool, backend, home: backend, reason: 'backend-restarted', when: 'now' };
    return { ok: true, value: await planMoves(table, [leaving], state, now) };
  }

  /** See ControlPlane.evacuate. */
  async evacuate(poolName: string, id: string): Promise<Result<EvacuationView>> {
    const { table, state, labelled, now, onAdminChange } = this.#parts;
    const found = this.#find(poolName, id);
    if ('ok' in found) return found;
    const { pool, backend } = found;
    if (state.adminState(backend.slot) === 'ready') {
      return refused(409, `The backend ${id} is ready and would get new sessions meanwhile: set it to drain first.`);
    }
    const leaving: Leaving = { pool, backend, home: backend, reason: 'drain', when: 'now' };
    const moved = new Map<string, number>();
    const row = new Row();
    let stayed = 0;
    await visitLeaving(table, [leaving], state, now, (_nth, { generation }, key, to) => {
      if (to === null) stayed++;
      // One that its own traffic has moved in between is no session of this backend any more.
      else if (table.move(key, backend.slot, to.slot, to.life.stamp, MoveReason.drain, now(), row, generation)) {
        moved.set(to.id, (moved.get(to.id) ?? 0) + 1);
      }
    });
    let total = 0;
    for (const [to, count] of moved) {
      total += count;
      labelled.add([{ name: 'limpet_failovers_total', labels: [pool.name, id, to, 'drain'], count }]);
    }
    if (total > 0 || stayed > 0)
      onAdminChange({ kind: 'backend-evacuated', pool: pool.name, backend: id, moved: total, stayed });
    return { ok: true, value: { moved: total, stayed } };
  }

  async #simulateConfig(text: string): Promise<Result<SimulationView>> {
    const { table, state, now, pools, preview } = this.#parts;
    if (preview === undefined) {
      return refused(409, 'This limpet runs without a configuration file: only drain can be simulated.');
    }
    const other = await preview(text);
    if ('errors' in other) {
      return refused(422, 'The configuration is not usable: errors says why.', other.errors);
    }
    const { leaving, state: then } = configuredMoves(pools(), other.pools, state);
    const plan = await planMoves(table, leaving, then, now);
    return { ok: true, value: { ...plan, changes: other.changes } };
  }

  #find(poolName: string, id: string): { readonly pool: Pool; readonly backend: Backend } | Refused {
    const pool = findPool(this.#parts.pools(), poolName);
    if ('ok' in pool) return pool;
    const backend = findBackend(pool, id);
    return 'ok' in backend ? backend : { pool, backend };
  }
}
