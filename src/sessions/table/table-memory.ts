import { availableParallelism } from 'node:os';
import { BUCKET_ROWS, BUCKET_WORDS } from './row-layout.ts';
import { Tombstones, type TombstonesMemory } from './tombstones.ts';

/**
 * The shared memory of a SessionTable: what to hand to a worker thread. Structured-cloneable; the buffer is shared, not
 * copied.
 */
export interface SessionTableMemory {
  readonly buffer: SharedArrayBuffer;
  /** Sessions that may be held at once. */
  readonly max: number;
  /** Backend slots. */
  readonly slots: number;
  readonly pools: number;
  /** Owner ids go from 1 up to this. */
  readonly threads: number;
  readonly buckets: number;
  /** Locks, a power of two; bucket n is under lock n mod stripes. */
  readonly stripes: number;
  /** One byte a row, see row-changes; null: nobody needs to know what has changed. */
  readonly changes: SharedArrayBuffer | null;
  /** Of the ends that have to outlive their rows. */
  readonly tombstones: TombstonesMemory;
}

/**
 * Word offsets of the parts of the memory. A counter is one word for each thread, which only that thread writes; its
 * value is the sum of all of them, modulo 2^32. So counting needs no atomic operation, and a thread that ends leaves
 * behind what it has counted.
 */
export interface TableOffsets {
  /** Idle limit and lifetime of each pool: two doubles. */
  readonly limits: number;
  /** Live sessions: one word a thread. */
  readonly size: number;
  /** Live sessions and standing tombstones that had to go for another row: one word a thread. */
  readonly evictions: number;
  /** For each thread in turn: live sessions by backend slot, then live sessions by pool. */
  readonly counts: number;
  /** Words of one thread in `counts`. */
  readonly countsStride: number;
  readonly locks: number;
  readonly rows: number;
}

/**
 * Rows for each session that may be held. With 8 rows a bucket and two choices of bucket, filling a table with exactly
 * its maximum of random keys evicts
 * 0.9 % of them at 1.1, 0.08 % at 1.2 and 0.02 % at 1.25. The rest is room for tombstones. 80 bytes a session.
 */
const SPARE = 1.25;
const MAX_STRIPES = 4096;
const DEFAULT_THREADS = Math.max(64, availableParallelism() + 1);
/** A cache line, in words. */
const LINE = 16;
/** Word indices stay below 2^31, where 32-bit arithmetic is exact: 8 GiB is the most. */
const MAX_WORDS = 2 ** 31;

/** Word offsets in memory of this shape. */
export function tableOffsets(shape: Pick<SessionTableMemory, 'slots' | 'pools' | 'threads' | 'stripes'>): TableOffsets {
  const { slots, pools, threads, stripes } = shape;
  const limits = 0;
  const size = align(limits + pools * 4);
  const evictions = size + threads;
  const counts = align(evictions + threads);
  const countsStride = align(slots + pools);
  const locks = counts + threads * countsStride;
  return { limits, size, evictions, counts, countsStride, locks, rows: align(locks + stripes) };
}

/**
 * Memory for `max` sessions, `slots` backends, `pools` pools and `threads` owners, all rows free. The pages of rows
 * that were never used cost nothing yet.
 * @param tracked with a byte for each row that tells what has changed
 * @throws RangeError when a number is not a whole one in its range
 */
export function allocateTableMemory(
  max: number,
  slots: number,
  threads = DEFAULT_THREADS,
  pools = slots,
  tracked = false,
): SessionTableMemory {
  // Slots and one more must fit into 16 bits.
  check('sessions.max', max, Number.MAX_SAFE_INTEGER);
  check('the number of backend slots', slots, 0xfffe);
  check('the number of threads', threads, 4096);
  check('the number of pools', pools, 0xffff);
  // Two at least, so that a key always has two buckets to choose from.
  const buckets = Math.max(2, Math.ceil((max * SPARE) / BUCKET_ROWS));
  let stripes = 1;
  while (stripes < MAX_STRIPES && stripes * 2 <= buckets) stripes *= 2;
  const before = tableOffsets({ slots, pools, threads, stripes }).rows;
  const words = before + buckets * BUCKET_WORDS;
  if (words > MAX_WORDS) {
    const most = Math.floor((Math.floor((MAX_WORDS - before) / BUCKET_WORDS) * BUCKET_ROWS) / SPARE);
    throw new RangeError(`sessions.max is ${max}: at most ${most} fit into one table`);
  }
  const changes = tracked ? new SharedArrayBuffer(buckets * BUCKET_ROWS) : null;
  const tombstones = Tombstones.allocate(max);
  return {
    buffer: new SharedArrayBuffer(words * 4),
    max,
    slots,
    pools,
    threads,
    buckets,
    stripes,
    changes,
    tombstones,
  };
}

function check(what: string, value: number, most: number): void {
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`${what} is ${value}: it has to be a whole number from 1 to ${most}`);
  }
}

function align(words: number): number {
  return Math.ceil(words / LINE) * LINE;
}
