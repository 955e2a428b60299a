/** Upper bounds of the time histograms in milliseconds, 1 ms to 60 s; the bucket after the last one has no bound. */
export const BUCKETS_MS = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000] as const;
