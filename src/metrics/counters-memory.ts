import { BUCKETS_MS } from './buckets.ts';
import { OUTCOMES } from './outcomes.ts';

/** The shared memory behind Counters and CounterSums; structured-cloneable, so it goes to a worker as `workerData`. */
export interface CountersMemory {
  readonly buffer: SharedArrayBuffer;
  readonly workers: number;
  readonly pools: number;
  readonly slots: number;
  readonly listeners: number;
}

/** Lowest status that is counted by itself. */
export const FIRST_STATUS = 100;
/** Statuses 100..599 are counted one by one; the cell after them takes what else a backend made up. */
export const STATUSES = 500;

/** Cells of a row. The ones that every request touches share two cache lines. */
export const Cell = {
  bytesIn: 0,
  bytesOut: 1,
  timeSum: 2,
  times: 3,
  outcomes: 3 + BUCKETS_MS.length + 1,
  status: 32,
} as const;
/** Cells of a row in all, a multiple of a cache line. */
export const ROW = 536;

/** Cells of a listener: connections opened, connections closed. */
export const LISTENER = 2;

const PAGE_CELLS = 4096 / Float64Array.BYTES_PER_ELEMENT;

if (Cell.outcomes + OUTCOMES.length > Cell.status || Cell.status + STATUSES + 1 > ROW) {
  throw new Error('counters: the cells of a row do not fit its length');
}

/**
 * Cells of the region of one worker: listeners, then a row for "no pool", one a pool and one a slot. Whole pages: no
 * two workers write to one.
 */
export function regionCells(memory: Omit<CountersMemory, 'buffer'>): number {
  const cells = poolRow(memory, memory.pools - 1) + ROW * (1 + memory.slots);
  return Math.ceil(cells / PAGE_CELLS) * PAGE_CELLS;
}

/** First cell of a pool's row in a region; -1 is the row of requests that found no pool. */
export function poolRow(memory: Omit<CountersMemory, 'buffer'>, poolIndex: number): number {
  return Math.ceil((memory.listeners * LISTENER) / 8) * 8 + ROW * (1 + poolIndex);
}

/** First cell of a slot's row in a region. */
export function slotRow(memory: Omit<CountersMemory, 'buffer'>, slot: number): number {
  return poolRow(memory, memory.pools) + ROW * slot;
}

/**
 * Memory for all counters, zero. Only what is written ever becomes real memory: a backend that answers 200, 304 and 404
 * costs three pages a worker, an unused slot nothing.
 * @throws RangeError when a number is not a whole number, or below 1 where there has to be one
 */
export function allocateCounters(workers: number, pools: number, slots: number, listeners: number): CountersMemory {
  for (const [name, value] of Object.entries({ workers, pools, slots, listeners })) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`counters: ${name} must be 1 or more, not ${value}`);
  }
  const shape = { workers, pools, slots, listeners };
  const bytes = regionCells(shape) * Float64Array.BYTES_PER_ELEMENT * workers;
  return { ...shape, buffer: new SharedArrayBuffer(bytes) };
}
