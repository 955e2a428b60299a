import { createHash } from 'node:crypto';
import { BOOT_CELLS, BOOT_IDS, type SharedLayout } from './shared-layout.ts';

/** What an id of a process tells. */
export const BootNews = {
  /** It is the one that is known, or there is nothing to learn from it. */
  none: 0,
  /** The first one in this life. */
  first: 1,
  /** Another process answers now. */
  another: 2,
  /** One that was left has come back on a new connection: several processes answer. From here on their ids say nothing. */
  several: 3,
} as const;

/** Cells of a slot in `SharedLayout.boot`. */
const Cell = { lock: 0, flips: 1, life: 2, off: 3, left: 4 } as const;

/**
 * The ids that the processes of the backends give themselves (`Limpet-Backend: boot=ID`), by slot, in memory that every thread sees: the current one and the last
 * ones that were left, as hashes.
 */
export class BootIds {
  readonly #cells: Int32Array;
  readonly #ids: BigInt64Array;
  readonly #owner: number;

  /** @param row of this thread, see SharedLayout */
  constructor({ boot, bootIds }: SharedLayout, row: number) {
    this.#cells = boot;
    this.#ids = bootIds;
    this.#owner = row + 1;
  }

  /** What is stored of an id: the same on every node, never 0. */
  static hash(id: string): bigint {
    return createHash('sha256').update(id).digest().readBigInt64LE(0) || 1n;
  }

  /** How often the current id has changed. */
  flips(slot: number): number {
    return Atomics.load(this.#cells, slot * BOOT_CELLS + Cell.flips);
  }

  /** Whether the ids of this backend say nothing, as several processes answer. */
  isOff(slot: number): boolean {
    return this.#cells[slot * BOOT_CELLS + Cell.off] !== 0;
  }

  /** The current id as its hash; 0n: none is known. */
  current(slot: number): bigint {
    return Atomics.load(this.#ids, slot * BOOT_IDS);
  }

  /** Sets the current id where none is known: the one that was the last before limpet was started. @param life the number of the life that it was seen in */
  restore(slot: number, hash: bigint, life: number): void {
    this.#locked(slot, (cells) => {
      if (hash === 0n || this.current(slot) !== 0n) return;
      Atomics.store(this.#ids, slot * BOOT_IDS, hash);
      cells[slot * BOOT_CELLS + Cell.life] = life;
      Atomics.add(cells, slot * BOOT_CELLS + Cell.flips, 1);
    });
  }

  /**
   * An answer has named this id.
   * @param asked the number of the backend's life when it was asked
   * @param life its number now
   * @param openedAt `flips` when the connection of the answer was opened
   * @param end called when another process answers in the very life that the former id was seen in: ends that life. @returns the number of the life from there on
   * @returns a value of BootNews
   */
  see(
    slot: number,
    hash: bigint,
    asked: number,
    life: number,
    openedAt: number,
    end: (life: number) => number,
  ): number {
    let now = life;
    let news: number = BootNews.none;
    this.#locked(slot, (cells) => {
      const at = slot * BOOT_CELLS;
      const first = slot * BOOT_IDS;
      if (cells[at + Cell.off] !== 0) return;
      const current = this.#ids[first]!;
      if (hash === current) {
        // An answer of a process that has ended since, which was still on its way, is none of this life.
        cells[at + Cell.life] = Math.max(cells[at + Cell.life]!, asked);
        return;
      }
      const left = Math.min(cells[at + Cell.left]!, BOOT_IDS - 1);
      for (let i = 1; i <= left; i++) {
        if (this.#ids[first + i] !== hash) continue;
        // A process that is handing over answers what it has begun, on connections from before.
        if (openedAt < cells[at + Cell.flips]!) return;
        cells[at + Cell.off] = 1;
        news = BootNews.several;
        return;
      }
      news = BootNews.first;
      if (current !== 0n) {
        this.#ids[first + 1 + (cells[at + Cell.left]! % (BOOT_IDS - 1))] = current;
        cells[at + Cell.left]!++;
        // Otherwise another sign has told of the same end before.
        if (cells[at + Cell.life] === life) {
          now = end(life);
          news = BootNews.another;
        }
      }
      Atomics.store(this.#ids, first, hash);
      cells[at + Cell.life] = now;
      Atomics.add(cells, at + Cell.flips, 1);
    });
    return news;
  }

  #locked(slot: number, work: (cells: Int32Array) => void): void {
    const lock = slot * BOOT_CELLS + Cell.lock;
    for (let spins = 0; ; spins++) {
      const holder = Atomics.compareExchange(this.#cells, lock, 0, this.#owner);
      if (holder === 0) break;
      if (spins > 1000) Atomics.wait(this.#cells, lock, holder, 1);
    }
    try {
      work(this.#cells);
    } finally {
      Atomics.store(this.#cells, lock, 0);
    }
  }
}
