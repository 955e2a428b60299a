import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';

/** Changes which backend a session is bound to, and how firmly: provisionally, by a claim, or for good. */
export class BoundRows {
  readonly #access: RowAccess;

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /** See SessionTable.move. */
  move(
    key: Key,
    fromSlot: number,
    toSlot: number,
    toGeneration: number,
    reason: number,
    now: number,
    row: Row,
    fromGeneration: number,
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
      const wins = rows.slotOf(at) === fromSlot && (fromGeneration < 0 || rows.generationOf(at) === fromGeneration);
      if (wins) {
        const generation = rows.generationOf(at);
        writer.move(at, toSlot, toGeneration, reason);
        const moved = this.#access.watchesAll ? this.#access.see(at) : null;
        if (moved !== null) this.#access.observer!.moved(moved, fromSlot, generation, reason);
      }
      rows.read(at, row);
      row.state = Lookup.LIVE;
      return wins;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.confirm. */
  confirm(key: Key, slot: number, now: number, stamp: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const { rows, writer, observer } = this.#access;
      const bound = rows.isLive(at) && rows.slotOf(at) === slot;
      if (!bound) return false;
      const first = rows.isOwnClaim(at);
      writer.confirm(at, now);
      if (stamp >= 0) writer.restamp(at, stamp);
      if (first && this.#access.watchesAll) observer!.began(this.#access.see(at)!);
      return true;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.clearClaimed. */
  clearClaimed(key: Key, seen: number): void {
    const at = this.#access.acquire(key);
    if (at < 0) return;
    this.#access.writer.clearClaimed(at, seen);
    this.#access.release(at);
  }

  /** See SessionTable.release. */
  release(key: Key, slot: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const drop = this.#access.rows.isProvisional(at) && this.#access.rows.slotOf(at) === slot;
      if (drop) this.#access.writer.free(at);
      return drop;
    } finally {
      this.#access.release(at);
    }
  }
}
