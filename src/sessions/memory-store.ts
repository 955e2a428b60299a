import type { Backend } from '../backends/backend.ts';
import type { Pool } from '../backends/pool.ts';
import type { Key } from './key.ts';
import { Lookup } from './lookup.ts';
import { MoveReason } from './move-reasons.ts';
import { Row } from './row.ts';
import { Claim, type SessionStore } from './store.ts';
import type { SessionTable } from './table.ts';

/** The table of this process is all there is: every question is answered at once. */
export class MemoryStore implements SessionStore {
  readonly refuses = false;
  readonly #table: SessionTable;
  readonly #other = new Row();

  constructor(table: SessionTable) {
    this.#table = table;
  }

  claim(key: Key, pool: Pool, backend: Backend, by: number, now: number, row: Row): Claim {
    const made = this.#table.claim(key, pool.index, backend.slot, backend.generation, by, now, row, true);
    return made ? Claim.made : Claim.bound;
  }

  /** A row is pending here only when it came from a process that had a store: nobody is left to say more. */
  join(key: Key, _pool: Pool, row: Row, now: number): Claim {
    this.#table.clearPending(key);
    return this.#table.peek(key, now, row) === Lookup.LIVE ? Claim.bound : Claim.unknown;
  }

  recall(): Claim {
    return Claim.unknown;
  }

  adopt(
    key: Key,
    pool: Pool,
    _home: Backend | null,
    backend: Backend,
    by: number,
    created: number,
    _reason: number,
    now: number,
    row: Row,
  ): void {
    this.#table.adopt(key, pool.index, backend.slot, backend.generation, by, created, now, row);
  }

  bind(key: Key, pool: Pool, backend: Backend, by: number, now: number): void {
    bindLearned(this.#table, this.#other, key, pool, backend, by, now);
  }

  move(key: Key, _pool: Pool, backend: Backend, reason: number, now: number, row: Row): void {
    this.#table.move(key, row.backend, backend.slot, backend.generation, reason, now, row);
  }

  release(key: Key, _pool: Pool, slot: number): void {
    this.#table.release(key, slot);
  }

  end(key: Key, _pool: Pool, _created: number, until: number, now: number): void {
    if (until > now) this.#table.end(key, now, until);
    else this.#table.remove(key);
  }

  async start(): Promise<void> {}

  stop(): void {}
}

/** Binds a key that the application handed out, in the table: an existing session of it moves. `row` is scratch, and is the session after that. */
export function bindLearned(
  table: SessionTable,
  row: Row,
  key: Key,
  pool: Pool,
  backend: Backend,
  by: number,
  now: number,
): void {
  if (
    !table.claim(key, pool.index, backend.slot, backend.generation, by, now, row, true) &&
    (row.backend !== backend.slot || row.generation !== backend.generation)
  ) {
    table.move(key, row.backend, backend.slot, backend.generation, MoveReason.relearned, now, row);
  }
  table.confirm(key, backend.slot, now);
}
