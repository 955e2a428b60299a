import { BackendLife } from '../../src/backends/backend-life.ts';
import { allocateSharedState, SharedLayout } from '../../src/backends/shared-layout.ts';
import type { TableDescription } from '../../src/sessions/persistence/snapshot-description.ts';
import type { LoadCounts } from '../../src/sessions/persistence/snapshot-load.ts';
import type { SessionNames } from '../../src/sessions/persistence/snapshot-names.ts';
import type { RowRecord } from '../../src/sessions/table/row-record.ts';
import { Row, SessionTable } from '../../src/sessions/table/table.ts';
import { randomKeys } from './random-keys.ts';

export const T = 1_750_000_000_000;
const SLOTS = 64;

/**
 * Names of backends as one process has them: slot n has the n-th name, and `first` is the stamp of its first life. All
 * are of pool 1.
 */
export function named(
  list: readonly string[],
  first = 1,
): SessionNames & { readonly life: (name: string) => BackendLife } {
  const layout = new SharedLayout(allocateSharedState(1, SLOTS));
  layout.life.fill(1);
  const at = Array.from({ length: SLOTS }, (_, slot) => new BackendLife(layout, slot, first));
  return {
    life: (name) => at[list.indexOf(name)]!,
    backends: (slot, stamp) => {
      const name = list[slot];
      const life = stamp < 0 ? at[slot]!.number : at[slot]!.numberOf(stamp);
      return name === undefined || life === 0 ? null : { name, life };
    },
    resolve: (pool, id) => {
      const slot = list.indexOf(`${pool}/${id}`);
      return slot < 0 ? null : { pool: 1, slot, life: at[slot]! };
    },
    lives: {
      reader: () => {
        const told = new Map<string, number>();
        return () => {
          const all = list.map((name, n) => ({ name, life: at[n]!.number, began: at[n]!.began }));
          const changed = all.filter(({ name, life }) => (told.get(name) ?? 1) !== life);
          for (const { name, life } of changed) told.set(name, life);
          return changed;
        };
      },
      learn: (lives) => {
        for (const { name, life, began } of lives) at[list.indexOf(name)]?.reach(life, began);
      },
    },
  };
}

export const BACKENDS = ['shop/a', 'shop/b', 'shop/c'];

export function makeTable(max = 1000): SessionTable {
  return new SessionTable(SessionTable.allocate(max, SLOTS, 2, 4, true), 1);
}

/** So many sessions, spread over slots 0 to 2 with that generation; some moved, some ended. */
export function fill(table: SessionTable, count: number, seed: number, generation = 1): void {
  const row = new Row();
  for (const [n, key] of randomKeys(count, seed).entries()) {
    table.adopt(key, 1, n % 3, generation, n % 6, T - n, T, row);
    if (n % 5 === 0) table.setIssued(key, T + 3);
    if (n % 7 === 0) table.move(key, n % 3, (n + 1) % 3, generation, 1, T, row);
    if (n % 11 === 0) table.end(key, T, T + 1e9);
  }
}

/** All that is in a table, by key, with backends by name. */
export function contents(table: SessionTable, list: readonly string[] = BACKENDS, now = T): Record<string, object> {
  const found: Record<string, object> = {};
  const visit = (record: RowRecord): void => {
    const { key, backend, generation, movedFrom, failbackTo: origin, pool, firstStamp, latestStamp, ...rest } = record;
    const id = [key.a, key.b, key.c, key.d].join();
    found[id] = record.ended
      ? { until: record.lastSeen }
      : { ...rest, backend: list[backend], movedFrom: list[movedFrom] ?? null, origin: list[origin] ?? null };
  };
  table.copy(0, table.buckets, visit, now);
  for (let cursor = 0; cursor >= 0; ) cursor = table.copyEnded(cursor, 100, visit, now);
  return found;
}

export function description(fingerprint = 'ours'): TableDescription {
  const setting = { state: 'ready', weight: 1 } as const;
  const backends = BACKENDS.map((name, n) => ({
    name,
    url: `http://127.0.0.1:${n + 1}`,
    discovered: n === 2,
    state: n === 1 ? ('drain' as const) : ('ready' as const),
    weight: n,
    configured: setting,
  }));
  return { keyFingerprint: fingerprint, backends };
}

export const NOTHING: LoadCounts = { rows: 0, added: 0, leftOut: 0 };

/** Collects log lines. */
export class LogLines {
  readonly lines: string[] = [];
  debug(): void {}
  info(_fields: object, message: string): void {
    this.lines.push(`info ${message}`);
  }
  warn(_fields: object, message: string): void {
    this.lines.push(`warn ${message}`);
  }
  error(_fields: object, message: string): void {
    this.lines.push(`error ${message}`);
  }
}
