import { Lookup } from './lookup.ts';
import type { RowAccess } from './row-access.ts';
import { BUCKET_ROWS } from './row-layout.ts';

/** The whole table is gone through in this time. */
const ROUND_MS = 60_000;
/** So many buckets take 0.3 ms: on a machine whose cores are busy, a longer turn keeps requests from one of them. */
const PORTION = 512;
const RAREST_MS = 250;
const OFTENEST_MS = 10;

/** How often how many buckets of a table are to be swept. */
export function sweepPace(buckets: number): { readonly everyMs: number; readonly buckets: number } {
  const everyMs = Math.max(OFTENEST_MS, Math.min(RAREST_MS, Math.floor((ROUND_MS * PORTION) / buckets)));
  return { everyMs, buckets: Math.min(buckets, Math.max(64, Math.ceil((buckets * everyMs) / ROUND_MS))) };
}

/** Goes round the buckets of a session table and frees what has expired, some buckets at a time. */
export class Sweep {
  readonly #access: RowAccess;
  readonly #buckets: number;
  #next = 0;

  constructor(access: RowAccess, buckets: number) {
    this.#access = access;
    this.#buckets = buckets;
  }

  /** See SessionTable.sweep. */
  run(buckets: number, now: number): number {
    let expired = 0;
    for (let n = Math.min(buckets, this.#buckets); n > 0; n--) {
      const bucket = this.#next;
      this.#next = bucket + 1 < this.#buckets ? bucket + 1 : 0;
      expired += this.#bucket(bucket, now);
    }
    return expired;
  }

  #bucket(bucket: number, now: number): number {
    const { rows, writer } = this.#access;
    const end = (bucket + 1) * BUCKET_ROWS;
    let used = bucket * BUCKET_ROWS;
    while (used < end && rows.isFree(used)) used++;
    if (used === end || !this.#access.tryLock(bucket)) return 0;
    let expired = 0;
    try {
      for (let row = used; row < end; row++) {
        if (rows.isFree(row)) continue;
        const found = rows.judge(row, now);
        if (found === Lookup.LIVE || found === Lookup.JOINED) {
          writer.clampTimes(row, now);
        } else if (found !== Lookup.ENDED) {
          if (rows.isLive(row)) expired++;
          this.#access.leaving(row, found, false);
          writer.free(row);
        }
      }
    } finally {
      this.#access.unlock(bucket);
    }
    return expired;
  }
}
