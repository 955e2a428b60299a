import type { Key } from '../keys/key.ts';
import { SharedChains } from '../sessions/table/shared-chains.ts';
import { Bell, HOLDS, ring, type TurnsMemory, WAITS, WORKER, Word, whoIs } from './turns-memory.ts';

/** A worker that has died, and the chains that are still to be looked through. */
interface Dead {
  readonly who: number;
  chains: number[] | null;
}

/** The supervisor's side of the turns: takes away what a worker held that has died, and counts. */
export class DeadTurns {
  readonly #chains: SharedChains;
  readonly #bells: Int32Array;
  #dead: Dead[] = [];

  constructor(memory: TurnsMemory) {
    this.#chains = new SharedChains(memory.chains, 1);
    this.#bells = new Int32Array(memory.bells);
  }

  /** Requests that have a turn or wait for one. */
  get used(): number {
    return this.#chains.used;
  }

  /**
   * Requests of one session that have the turn or wait for it. Changes nothing.
   * @throws Error with code SESSION_TABLE_BUSY, as StripedLocks does
   */
  ahead({ a, b, c, d }: Key): number {
    const chains = this.#chains;
    const chain = chains.of(a);
    const wanted = [a, b, c, d];
    let found = 0;
    chains.lock(chain);
    try {
      for (let node = chains.first(chain); node !== 0; node = chains.next(node))
        if (wanted.every((word, nth) => chains.get(node, Word.key + nth) === word)) found++;
    } finally {
      chains.unlock(chain);
    }
    return found;
  }

  /**
   * A worker has died: its requests have no turn any more and wait for none, and the next ones have theirs. To be
   * called when it certainly runs no more and before another one gets its index.
   */
  clearWorker(worker: number): void {
    const who = whoIs(this.#bells, worker);
    const bell = worker * Bell.apart;
    this.#chains.releaseLocks(worker + 2);
    Atomics.add(this.#bells, bell + Bell.life, 1);
    this.#bells.fill(0, bell, bell + Bell.life);
    this.#dead.push({ who, chains: null });
    this.sweep();
  }

  /** Goes on with what could not be had, because another thread had died with a lock. To be called now and then. */
  sweep(): void {
    if (this.#dead.length === 0) return;
    for (const dead of this.#dead) {
      const left: number[] = [];
      const chains = dead.chains ?? this.#inUse();
      for (const chain of chains) if (!this.#clear(chain, dead.who)) left.push(chain);
      dead.chains = left;
    }
    this.#dead = this.#dead.filter(({ chains }) => chains!.length > 0);
  }

  /** Waiting requests of the pools, by index: what `visit` is called with, once a pool that has any. */
  waiting(visit: (pool: number, count: number) => void): void {
    if (this.used === 0) return;
    const counts = new Map<number, number>();
    const chains = this.#chains;
    for (const chain of this.#inUse()) {
      // Without a lock: a chain that changes meanwhile is counted wrongly, and never for ever.
      let steps = 0;
      for (let node = chains.first(chain); node !== 0 && steps < 10_000; node = chains.next(node), steps++) {
        if (chains.get(node, Word.state) !== WAITS) continue;
        const pool = chains.get(node, Word.who) >>> 16;
        counts.set(pool, (counts.get(pool) ?? 0) + 1);
      }
    }
    for (const [pool, count] of counts) visit(pool, count);
  }

  #inUse(): number[] {
    const found: number[] = [];
    for (let chain = 0; chain < this.#chains.chains; chain++) if (this.#chains.first(chain) !== 0) found.push(chain);
    return found;
  }

  /** False: its lock cannot be had. */
  #clear(chain: number, who: number): boolean {
    const chains = this.#chains;
    try {
      chains.lock(chain);
    } catch {
      return false;
    }
    const heirs: { who: number; slot: number }[] = [];
    try {
      for (let node = chains.first(chain); node !== 0; ) {
        const next = chains.next(node);
        if ((chains.get(node, Word.who) & WORKER) === who) chains.unlink(chain, node);
        node = next;
      }
      const met = new Set<string>();
      for (let node = chains.first(chain); node !== 0; node = chains.next(node)) {
        const key = [0, 1, 2, 3].map((n) => chains.get(node, Word.key + n)).join();
        if (met.has(key)) continue;
        met.add(key);
        if (chains.get(node, Word.state) === HOLDS) continue;
        chains.set(node, Word.state, HOLDS);
        heirs.push({ who: chains.get(node, Word.who), slot: chains.get(node, Word.slot) });
      }
    } finally {
      chains.unlock(chain);
    }
    for (const heir of heirs) ring(this.#bells, heir.who, heir.slot);
    return true;
  }
}
