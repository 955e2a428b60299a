import { setImmediate } from 'node:timers/promises';
import type { Backend } from '../backends/backend.ts';
import { boundBackend } from '../backends/bound-backend.ts';
import type { Pool } from '../backends/pool.ts';
import { Key } from '../keys/key.ts';
import { format, parse } from '../keys/public-id.ts';
import type { SharedSession } from '../sessions/store/shared-session.ts';
import { MoveReason } from '../sessions/table/move-reasons.ts';
import { refusedUntil } from '../sessions/table/refused-until.ts';
import { Lookup, Row } from '../sessions/table/table.ts';
import type { UserWords } from '../sessions/table/user-words.ts';
import type { Result, SessionPage, SessionQuery, SessionView } from './control-plane.ts';
import { findBackend, findPool } from './find-backend.ts';
import type { LiveParts } from './live-parts.ts';
import { type Refused, refused } from './refused.ts';
import { sessionView } from './views.ts';

/** Rows of the table that are looked at before probes and other requests have their turn. */
const ROWS_AT_ONCE = 65_536;
/** A move that traffic keeps overtaking: each of them is another failover of the same session. */
const MOVE_TRIES = 4;

/** A session that is live now. */
interface Found {
  readonly key: Key;
  readonly row: Row;
  readonly pool: Pool;
}

/** The sessions of a running limpet for the admin API: list, see, end and move them. */
export class LiveSessions {
  readonly #parts: LiveParts;

  constructor(parts: LiveParts) {
    this.#parts = parts;
  }

  /** See ControlPlane.sessions. */
  async list(query: SessionQuery): Promise<Result<SessionPage>> {
    const { table, now, pools, users } = this.#parts;
    const only = this.#filter(query);
    if ('ok' in only) return only;
    const wanted = query.user === undefined ? null : this.#usersNamed(query.user);
    if (wanted !== null && wanted.size === 0)
      return refused(400, `user: ${JSON.stringify(query.user)} is no name: 1 to 256 bytes of visible text.`);
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
            ...(wanted === null ? {} : { users: wanted }),
          },
          now(),
        );
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return refused(400, `cursor: ${error.message}`);
      }
      await users.learn(page.sessions.map(({ userA, userB }) => ({ a: userA, b: userB })));
      for (const entry of page.sessions) {
        const pool = byIndex.get(entry.pool);
        if (pool === undefined) continue;
        if (only.backend !== null && boundBackend(pool, entry) !== only.backend) continue;
        sessions.push(sessionView(entry.key, pool, entry, users));
      }
      cursor = page.cursor;
      if (cursor !== null && sessions.length < query.limit) await setImmediate();
      else break;
    } while (cursor !== null);
    return { ok: true, value: { sessions, cursor } };
  }

  /** See ControlPlane.session. */
  async see(id: string): Promise<Result<SessionView>> {
    const found = this.#find(id) ?? (await this.#stored(id));
    if ('ok' in found) return found;
    await this.#parts.users.learn([{ a: found.row.userA, b: found.row.userB }]);
    return { ok: true, value: this.#view(format(found.key), found.pool, found.row) };
  }

  /** See ControlPlane.endSession. */
  async end(id: string): Promise<Result<null>> {
    const local = this.#find(id);
    const found = local ?? (await this.#stored(id));
    if ('ok' in found) return found;
    const { table, now, onAdminChange, onSessionEnded } = this.#parts;
    const { key, pool, row } = found;
    const own = format(key);
    const backend = boundBackend(pool, row)?.id ?? null;
    const until = refusedUntil(pool.config.session, now());
    // One that the store alone knew is refused here from now on all the same.
    if (!table.end(key, now(), until, pool.index) && local !== null) return unknownSession(id);
    onSessionEnded?.(key, until);
    onAdminChange({ kind: 'session-ended', pool: pool.name, key: own, backend });
    const { userA, userB } = row;
    this.#parts.journal?.()?.note({
      event: 'ended',
      time: now(),
      key: own,
      pool: pool.name,
      backend: backend ?? '',
      from: '',
      reason: 'operator',
      userA,
      userB,
      client: '',
    });
    return { ok: true, value: null };
  }

  /** See ControlPlane.moveSession. */
  async move(id: string, to: string): Promise<Result<SessionView>> {
    const { table, state, labelled, now, onAdminChange, onSessionMoved } = this.#parts;
    for (let tries = 0; ; tries++) {
      const found = this.#find(id) ?? (await this.#adopt(id));
      if ('ok' in found) return found;
      const { key, pool, row } = found;
      const own = format(key);
      const target = findBackend(pool, to);
      if ('ok' in target) return target;
      const from = boundBackend(pool, row);
      if (from === target) return { ok: true, value: this.#view(own, pool, row) };
      if (!state.isUsable(target.slot) || state.adminState(target.slot) === 'drain') return unavailable(target, state);
      const { backend: slot, generation } = row;
      if (table.move(key, slot, target.slot, target.life.stamp, MoveReason.operator, now(), row, generation)) {
        labelled.add([
          { name: 'limpet_failovers_total', labels: [pool.name, from?.id ?? 'unknown', to, 'operator'], count: 1 },
        ]);
        onSessionMoved?.(key, pool, from, target);
        onAdminChange({ kind: 'session-moved', pool: pool.name, key: own, from: from?.id ?? null, to });
        return { ok: true, value: this.#view(own, pool, row) };
      }
      if (tries === MOVE_TRIES) return refused(409, `The session ${id} is being moved by its traffic: try again.`);
    }
  }

  /** The session of a row; null: there is no live one. */
  #find(id: string): Found | Refused | null {
    const { table, now, pools } = this.#parts;
    const key = new Key();
    const row = new Row();
    if (!parse(id, key)) {
      return refused(404, `${JSON.stringify(id)} is not the key of a session: GET /api/v1/sessions lists them.`);
    }
    const state = table.peek(key, now(), row);
    // What ended here is not asked for elsewhere: the others may not know it yet.
    if (state === Lookup.ENDED) return unknownSession(id);
    if (state !== Lookup.LIVE) return null;
    // Another name of a session: that is what is meant.
    if (row.joined) row.sessionKey(key);
    const pool = pools().find(({ index }) => index === row.pool);
    return pool === undefined ? unknownSession(id) : { key, row, pool };
  }

  /** A session that another node has; nothing is made of it here. */
  async #stored(id: string, ofJoined = false): Promise<Found | Refused> {
    const { lookup, pools, now } = this.#parts;
    const stored = lookup === undefined ? null : await lookup(id);
    // Another name of a session: that is what is meant.
    const { joined = '' } = stored ?? {};
    if (joined !== '' && !ofJoined) return this.#find(joined) ?? this.#stored(joined, true);
    const pool = stored === null ? undefined : pools().find(({ name }) => name === stored.pool);
    if (stored === null || pool === undefined || isOver(stored, pool, now())) return unknownSession(id);
    const backend = pool.byId.get(stored.backend);
    const row = new Row();
    row.state = Lookup.LIVE;
    row.pool = pool.index;
    row.backend = backend?.slot ?? -1;
    row.generation = backend?.life.stampBy(stored.life, stored.lastSeen, now()) ?? 0;
    row.by = stored.by;
    row.created = stored.created;
    row.lastSeen = stored.lastSeen;
    row.moves = stored.moves;
    const key = new Key();
    parse(id, key);
    return { key, row, pool };
  }

  /** A session that another node has, with a row here from now on. */
  async #adopt(id: string): Promise<Found | Refused> {
    const found = await this.#stored(id);
    if ('ok' in found) return found;
    const { table, now } = this.#parts;
    const { key, pool, row } = found;
    const backend = boundBackend(pool, row);
    if (backend === null) {
      return refused(
        409,
        `The backend of the session ${id} is not in the configuration of this node: move it on a node that has it.`,
      );
    }
    table.adopt(key, pool.index, backend.slot, row.generation, row.by, row.created, now(), row);
    return row.state === Lookup.LIVE ? found : unknownSession(id);
  }

  #view(id: string, pool: Pool, row: Row): SessionView {
    return sessionView(id, pool, row, this.#parts.users);
  }

  /** Whoever has this name in each pool, by index of the pool; empty: it is no name. */
  #usersNamed(name: string): Map<number, UserWords> {
    const named = new Map<number, UserWords>();
    for (const pool of this.#parts.pools()) {
      const user = this.#parts.users.find(pool.name, name);
      if (user !== null) named.set(pool.index, user);
    }
    return named;
  }

  #filter({ pool: name, backend: id }: SessionQuery): { pool: Pool | null; backend: Backend | null } | Refused {
    const pools = this.#parts.pools();
    const pool = name === undefined ? null : findPool(pools, name);
    if (pool !== null && 'ok' in pool) return pool;
    if (id === undefined) return { pool, backend: null };
    const candidates = pool === null ? pools.filter(({ byId }) => byId.has(id)) : [pool];
    if (candidates.length > 1) {
      return refused(
        400,
        `backend: ${id} is in several pools (${candidates.map((p) => p.name).join(', ')}): give pool too.`,
      );
    }
    const only = candidates[0];
    if (only === undefined) return refused(404, `There is no backend ${JSON.stringify(id)} in any pool.`);
    const backend = findBackend(only, id);
    return 'ok' in backend ? backend : { pool: only, backend };
  }
}

function isOver({ created, lastSeen }: SharedSession, pool: Pool, now: number): boolean {
  const { idle, lifetime } = pool.config.session;
  return now - lastSeen >= idle || now - created >= lifetime;
}

function unavailable(target: Backend, state: LiveParts['state']): Refused {
  const admin = state.adminState(target.slot);
  const why = admin === 'ready' ? 'down' : `in ${admin}`;
  return refused(409, `The backend ${target.id} is ${why}: the session would not stay there. Choose another one.`);
}

function unknownSession(key: string): Refused {
  return refused(404, `There is no session ${key}: it may have expired or ended.`);
}
