import type { RareCount, RareMetric } from './rare.ts';

/** The rare counters of all workers added up, in the supervisor. What a dead worker had drained stays counted. */
export class RareTotals {
  readonly #totals = new Map<RareMetric, Map<string, { labels: readonly string[]; count: number }>>();

  add(counts: readonly RareCount[]): void {
    for (const { name, labels, count } of counts) {
      let series = this.#totals.get(name);
      if (series === undefined) this.#totals.set(name, (series = new Map()));
      const key = labels.join('\u0000');
      const total = series.get(key);
      if (total === undefined) series.set(key, { labels, count });
      else total.count += count;
    }
  }

  /** Every series of one metric. */
  series(name: RareMetric): Iterable<{ readonly labels: readonly string[]; readonly count: number }> {
    return this.#totals.get(name)?.values() ?? [];
  }
}
