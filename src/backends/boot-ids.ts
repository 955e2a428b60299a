import { createHash } from 'node:crypto';
import type { KnownBoots } from './known-boots.ts';
import { BOOT_CELLS, BOOT_IDS, type SharedLayout } from './shared-layout.ts';

/** What an id of a process tells. */
export const BootNews = {
  /** It is the one that is known, or there is nothing to learn from it. */
  none: 0,
  /** The first one in this life. */
  first: 1,
  /** Another process answers now. */
  another: 2,
  /**
   * One that was left has come back on a new connection: several processes answer. From here on their ids say nothing.
   */
  several: 3,
} as const;

/**
 * The longest that a lock is waited for, ms. Who has died with it is cleared away by the supervisor, which therefore
 * waits least: it has to hear of the death. What is told then counts with the next answer.
 */
const PATIENCE_MS = 5_000;
const SUPERVISORS_MS = 60;
const SUPERVISOR = 1;

/** Cells of a slot in `SharedLayout.boot`. */
const Cell = { lock: 0, flips: 1, life: 2, off: 3, left: 4 } as const;

/**
 * The ids that the processes of the backends give themselves (`Limpet-Backend: boot=ID`), by slot, in memory that every
 * thread sees: the current one and the last ones that were left, as hashes.
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

  /** A number that changes whenever there is something new to tell of the ids of a backend; 0: nothing is known. */
  version(slot: number): number {
    const at = slot * BOOT_CELLS;
    return this.#cells[at + Cell.flips]! * 2 + this.#cells[at + Cell.off]!;
  }

  /** All that is known of the ids of a backend; null: nothing. */
  known(slot: number): KnownBoots | null {
    let found: KnownBoots | null = null;
    this.#locked(slot, (cells) => {
      const at = slot * BOOT_CELLS;
      const first = slot * BOOT_IDS;
      const off = cells[at + Cell.off] !== 0;
      if (this.#ids[first] === 0n && !off) return;
      const ids = [hex(this.#ids[first]!)];
      const left = cells[at + Cell.left]!;
      for (let nth = 1; nth <= Math.min(left, BOOT_IDS - 1); nth++)
        ids.push(hex(this.#ids[first + 1 + ((left - nth) % (BOOT_IDS - 1))]!));
      found = { ids, off };
    });
    return found;
  }

  /**
   * What another process knows, or this one knew before it was started.
   * @param life the number of the life that the current id of these is of
   * @param now the number of the life that the backend is in, this one or a later one
   */
  learn(slot: number, { ids, off }: KnownBoots, life: number, now: number): void {
    const [theirs = 0n, ...left] = ids.map((id) => BigInt.asIntN(64, BigInt(`0x${id}`)));
    this.#locked(slot, (cells) => {
      const at = slot * BOOT_CELLS;
      const first = slot * BOOT_IDS;
      if (off) cells[at + Cell.off] = 1;
      for (const id of left.reverse()) this.#leave(slot, id);
      const current = this.#ids[first]!;
      if (theirs === 0n || life < now || this.#isLeft(slot, theirs)) return;
      if (theirs !== current) {
        this.#leave(slot, current, true);
        Atomics.store(this.#ids, first, theirs);
        Atomics.add(cells, at + Cell.flips, 1);
      }
      cells[at + Cell.life] = Math.max(cells[at + Cell.life]!, life);
    });
  }

  #isLeft(slot: number, id: bigint): boolean {
    const left = Math.min(this.#cells[slot * BOOT_CELLS + Cell.left]!, BOOT_IDS - 1);
    for (let nth = 1; nth <= left; nth++) if (this.#ids[slot * BOOT_IDS + nth] === id) return true;
    return false;
  }

  /** Notes that an id was left, unless that is known. @param current it is the current one still */
  #leave(slot: number, id: bigint, current = false): void {
    const first = slot * BOOT_IDS;
    if (id === 0n || this.#isLeft(slot, id) || (!current && this.#ids[first] === id)) return;
    const cell = slot * BOOT_CELLS + Cell.left;
    this.#ids[first + 1 + (this.#cells[cell]! % (BOOT_IDS - 1))] = id;
    this.#cells[cell]!++;
  }

  /**
   * An answer has named this id.
   * @param asked the number of the backend's life when it was asked
   * @param life its number now
   * @param openedAt `flips` when the connection of the answer was opened
   * @param end called when another process answers in the very life that the former id was seen in: ends that life.
   *   @returns the number of the life from there on
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

  /** Nothing is done when the lock does not come free. */
  #locked(slot: number, work: (cells: Int32Array) => void): void {
    const lock = slot * BOOT_CELLS + Cell.lock;
    const patience = this.#owner === SUPERVISOR ? SUPERVISORS_MS : PATIENCE_MS;
    for (let spins = 0, waited = 0; ; spins++) {
      const holder = Atomics.compareExchange(this.#cells, lock, 0, this.#owner);
      if (holder === 0) break;
      if (waited >= patience) return;
      if (spins > 1000 && Atomics.wait(this.#cells, lock, holder, 1) === 'timed-out') waited++;
    }
    try {
      work(this.#cells);
    } finally {
      Atomics.store(this.#cells, lock, 0);
    }
  }
}

function hex(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, '0');
}
