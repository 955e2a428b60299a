import { BUCKETS_MS } from './buckets.ts';
import {
  Cell,
  type CountersMemory,
  FIRST_STATUS,
  LISTENER,
  poolRow,
  ROW,
  regionCells,
  STATUSES,
  slotRow,
} from './counters-memory.ts';

/** A time histogram as Prometheus wants it: cumulative, in seconds. */
export interface TimeHistogram {
  /** Observations at or below each bound of BUCKETS_MS, then the number of all of them. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}

/**
 * The counters of all workers added up, for the supervisor. A slot of -1 stands for the answers that limpet gave
 * itself.
 */
export class CounterSums {
  readonly #memory: CountersMemory;
  readonly #cells: Float64Array;
  readonly #region: number;

  constructor(memory: CountersMemory) {
    this.#memory = memory;
    this.#cells = new Float64Array(memory.buffer);
    this.#region = regionCells(memory);
  }

  /** Calls `visit` for each status that occurred, `other` being what is not 100..599. */
  statuses(poolIndex: number, slot: number, visit: (code: string, count: number) => void): void {
    const row = this.#row(poolIndex, slot) + Cell.status;
    for (let i = 0; i <= STATUSES; i++) {
      const count = this.#sum(row + i);
      if (count > 0) visit(i === STATUSES ? 'other' : String(FIRST_STATUS + i), count);
    }
  }

  bytesIn(poolIndex: number, slot: number): number {
    return this.#sum(this.#row(poolIndex, slot) + Cell.bytesIn);
  }

  bytesOut(poolIndex: number, slot: number): number {
    return this.#sum(this.#row(poolIndex, slot) + Cell.bytesOut);
  }

  /** How long the requests of a pool took; -1: requests that found no pool. */
  durations(poolIndex: number): TimeHistogram {
    return this.#times(poolRow(this.#memory, poolIndex));
  }

  /** How long the backend at `slot` took to the head of its response. */
  responses(slot: number): TimeHistogram {
    return this.#times(slotRow(this.#memory, slot));
  }

  /** Requests of a pool with this outcome, an index into OUTCOMES. */
  affinity(poolIndex: number, outcome: number): number {
    return this.#sum(poolRow(this.#memory, poolIndex) + Cell.outcomes + outcome);
  }

  /** Open connections of a listener. */
  connections(listener: number): number {
    return this.#sum(LISTENER * listener) - this.#sum(LISTENER * listener + 1);
  }

  /** All requests that have ended. */
  get requests(): number {
    let sum = 0;
    for (let pool = -1; pool < this.#memory.pools; pool++) sum += this.durations(pool).count;
    return sum;
  }

  /** The open connections of a worker that has ended went with it. Only then: this writes to its region. */
  clearWorker(worker: number): void {
    const base = this.#region * worker;
    for (let i = 0; i < this.#memory.listeners; i++) {
      this.#cells[base + LISTENER * i + 1] = this.#cells[base + LISTENER * i]!;
    }
  }

  /** Another backend gets the slot. Only while nothing refers to it: this writes to the regions of the workers. */
  clearSlot(slot: number): void {
    const row = slotRow(this.#memory, slot);
    for (let base = 0; base < this.#cells.length; base += this.#region)
      this.#cells.fill(0, base + row, base + row + ROW);
  }

  #row(poolIndex: number, slot: number): number {
    return slot < 0 ? poolRow(this.#memory, poolIndex) : slotRow(this.#memory, slot);
  }

  #times(row: number): TimeHistogram {
    const cumulative: number[] = [];
    let count = 0;
    for (let i = 0; i <= BUCKETS_MS.length; i++) cumulative.push((count += this.#sum(row + Cell.times + i)));
    return { cumulative, count, sumSeconds: this.#sum(row + Cell.timeSum) / 1000 };
  }

  #sum(cell: number): number {
    let sum = 0;
    for (let at = cell; at < this.#cells.length; at += this.#region) sum += this.#cells[at]!;
    return sum;
  }
}
