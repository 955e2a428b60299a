import { BUCKETS_MS } from './buckets.ts';
import {
  allocateCounters,
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

const BOUNDS = Float64Array.from(BUCKETS_MS);

/**
 * The counters of one worker: plain numbers in its own region of shared memory, read by CounterSums in the supervisor.
 *
 * One writer a cell, so no atomic operation is needed: an aligned 64-bit store is never seen half done.
 * A worker that is started again on the same region goes on counting where the last one ended.
 */
export class Counters {
  readonly #cells: Float64Array;
  readonly #poolRow: number;
  readonly #slotRow: number;

  /** See `allocateCounters`; `listeners` is the number of listeners of the configuration. */
  static allocate(workers: number, pools: number, slots: number, listeners: number): CountersMemory {
    return allocateCounters(workers, pools, slots, listeners);
  }

  /** @param worker 0..workers-1; RangeError otherwise */
  constructor(memory: CountersMemory, worker: number) {
    if (!Number.isInteger(worker) || worker < 0 || worker >= memory.workers) {
      throw new RangeError(`counters: worker must be 0 to ${memory.workers - 1}, not ${worker}`);
    }
    const length = regionCells(memory);
    // A view of this region alone: an index that is out of range cannot reach the cells of another worker.
    this.#cells = new Float64Array(memory.buffer, worker * length * Float64Array.BYTES_PER_ELEMENT, length);
    this.#poolRow = poolRow(memory, 0);
    this.#slotRow = slotRow(memory, 0);
  }

  /**
   * A request has ended. HOT.
   * @param poolIndex -1: no route matched
   * @param slot the backend that answered, or -1: limpet answered itself
   * @param bytesIn body bytes read from the client; `bytesOut` written to it
   * @param durationMs from the first byte of the request to the last one of the answer
   */
  request(
    poolIndex: number,
    slot: number,
    status: number,
    bytesIn: number,
    bytesOut: number,
    durationMs: number,
  ): void {
    const cells = this.#cells;
    const pool = this.#poolRow + ROW * poolIndex;
    const row = slot < 0 ? pool : this.#slotRow + ROW * slot;
    const code = status - FIRST_STATUS;
    cells[row + Cell.bytesIn]! += bytesIn;
    cells[row + Cell.bytesOut]! += bytesOut;
    cells[row + Cell.status + (code >= 0 && code < STATUSES ? code : STATUSES)]! += 1;
    this.#observe(pool, durationMs);
  }

  /** The head of a backend's response came `ms` after the request went to it. HOT. */
  backendResponse(slot: number, ms: number): void {
    this.#observe(this.#slotRow + ROW * slot, ms);
  }

  /** What became of the affinity of a request: an index into OUTCOMES. HOT. */
  affinity(poolIndex: number, outcome: number): void {
    this.#cells[this.#poolRow + ROW * poolIndex + Cell.outcomes + outcome]! += 1;
  }

  /** A connection was accepted; `listener` is its index in the configuration. */
  connectionOpened(listener: number): void {
    this.#cells[LISTENER * listener]! += 1;
  }

  connectionClosed(listener: number): void {
    this.#cells[LISTENER * listener + 1]! += 1;
  }

  #observe(row: number, ms: number): void {
    const cells = this.#cells;
    let bucket = 0;
    while (bucket < BOUNDS.length && ms > BOUNDS[bucket]!) bucket++;
    cells[row + Cell.times + bucket]! += 1;
    // A clock that steps back must not take from the sum, and NaN would stay in it for good.
    if (ms > 0) cells[row + Cell.timeSum]! += ms;
  }
}
