import type { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { isBoundElsewhere } from '../../sessions/table/binding.ts';
import { Lookup } from '../../sessions/table/lookup.ts';
import { Row } from '../../sessions/table/row.ts';
import type { SearchedRows } from '../../sessions/table/searched-rows.ts';
import type { SessionTable } from '../../sessions/table/table.ts';
import type { Trail } from './trail.ts';

/**
 * The session table as it would be seen by a request, which changes nothing of it (behaviour 20): what a request would
 * change is remembered here, for as long as this object lives.
 */
export class ReadOnlyTable implements SearchedRows {
  readonly #table: SessionTable;
  readonly #trail: Trail;
  /** What rows would be by now; null: gone. */
  readonly #imagined = new Map<string, Row | null>();

  constructor(table: SessionTable, trail: Trail) {
    this.#table = table;
    this.#trail = trail;
  }

  /** As if the row of this key was this one from here on. */
  imagine(key: Key, row: Row): void {
    this.#imagined.set(format(key), copyOf(row));
  }

  lookup(key: Key, now: number, _idle: number, _lifetime: number, row: Row, binding = 0): Lookup {
    const id = format(key);
    // The limits of the pool, which are the same.
    let found = this.peek(key, now, row);
    if (found === Lookup.LIVE && binding !== 0 && isBoundElsewhere(row.binding, binding)) found = Lookup.FOREIGN;
    this.#trail.push({ kind: 'lookup', id, found, row: copyOf(row) });
    if (found === Lookup.LIVE && row.requests < 0xffffffff) row.requests++;
    if (found === Lookup.IDLE_EXPIRED || found === Lookup.LIFETIME_EXPIRED) this.#imagined.set(id, null);
    row.state = found;
    return found;
  }

  /** Nothing is counted. */
  touch(): boolean {
    return true;
  }

  peek(key: Key, now: number, row: Row): Lookup {
    const imagined = this.#imagined.get(format(key));
    if (imagined === undefined) return this.#table.peek(key, now, row);
    if (imagined === null) return row.clear(Lookup.NONE);
    Object.assign(row, imagined);
    return row.state;
  }

  applyStoreAnswer(
    key: Key,
    slot: number,
    generation: number,
    created: number,
    moves: number,
    now: number,
    row: Row,
  ): boolean {
    if (this.peek(key, now, row) !== Lookup.LIVE) return false;
    this.imagine(key, Object.assign(row, { backend: slot, generation, created, moves, pending: false }));
    return true;
  }

  keep(key: Key, now: number): boolean {
    return this.#change(key, now, { lastSeen: now });
  }

  setIssued(key: Key, issued: number): boolean {
    return this.#change(key, issued, { issued });
  }

  setBinding(key: Key, binding: number): boolean {
    return this.#change(key, Date.now(), { binding });
  }

  get floor(): number {
    return this.#table.floor;
  }

  successor(key: Key, into: Key): number {
    return this.#table.successor(key, into);
  }

  #change(key: Key, now: number, fields: Partial<Row>): boolean {
    const row = new Row();
    if (this.peek(key, now, row) !== Lookup.LIVE) return false;
    this.imagine(key, Object.assign(row, fields));
    return true;
  }
}

function copyOf(row: Row): Row {
  return Object.assign(new Row(), row);
}
