import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';

/** Ends the wait of rows that were claimed before the store that nodes share was asked whose they are. */
export class PendingRows {
  readonly #access: RowAccess;

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /** See SessionTable.applyStoreAnswer. */
  applyStoreAnswer(
    key: Key,
    slot: number,
    generation: number,
    created: number,
    moves: number,
    now: number,
    row: Row,
    confirmed: boolean,
  ): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) {
      row.clear(this.#access.without(key, now));
      return false;
    }
    try {
      const { rows, writer } = this.#access;
      if (!rows.isLive(at)) {
        row.clear(rows.judge(at, now));
        return false;
      }
      rows.read(at, row);
      const began = Math.min(created, now);
      const stale = row.created === began && row.moves > moves;
      if (stale) writer.writeStoreAnswer(at, row.backend, row.generation, began, row.moves, confirmed);
      else writer.writeStoreAnswer(at, slot, generation, began, moves, confirmed);
      rows.read(at, row);
      row.state = Lookup.LIVE;
      return true;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.clearPending. */
  clear(key: Key): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const live = this.#access.rows.isLive(at);
      if (live) this.#access.writer.clearPending(at);
      return live;
    } finally {
      this.#access.release(at);
    }
  }
}
