import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { RowAccess } from './row-access.ts';

/** Notes in the row of a session what is known of it besides its backend. Each answers whether there is a session. */
export class RowMarks {
  readonly #access: RowAccess;

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /** See SessionTable.setIssued. */
  setIssued(key: Key, now: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const live = this.#access.rows.isLive(at);
      if (live) this.#access.writer.setIssued(at, now);
      return live;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.setBinding. */
  setBinding(key: Key, hash: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const live = this.#access.rows.isLive(at);
      if (live) this.#access.writer.setBinding(at, hash);
      return live;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.setUser. */
  setUser(key: Key, a: number, b: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const live = this.#access.rows.isLive(at);
      if (live) this.#access.writer.setUser(at, a, b);
      return live;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.keep. */
  keep(key: Key, now: number): boolean {
    const at = this.#access.acquire(key);
    if (at < 0) return false;
    try {
      const live = this.#access.rows.judge(at, now) === Lookup.LIVE;
      if (live) this.#access.writer.see(at, now);
      return live;
    } finally {
      this.#access.release(at);
    }
  }
}
