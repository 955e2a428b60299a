import type { LabelledCount, LabelledMetric } from './labelled-counters.ts';

/**
 * Series of one metric that are kept. Labels name backends, two at a time where a session moves, and where the DNS
 * names backends there are others each day: those that have not grown for longest go.
 */
const MOST = 10_000;

interface Series {
  readonly labels: readonly string[];
  count: number;
}

/** The labelled counters of all workers added up, in the supervisor. What a dead worker had drained stays counted. */
export class LabelledTotals {
  /** The series that has not grown for longest comes first. */
  readonly #totals = new Map<LabelledMetric, Map<string, Series>>();

  add(counts: readonly LabelledCount[]): void {
    for (const { name, labels, count } of counts) {
      let series = this.#totals.get(name);
      if (series === undefined) this.#totals.set(name, (series = new Map()));
      const key = labels.join('\u0000');
      const total = series.get(key) ?? { labels, count: 0 };
      total.count += count;
      series.delete(key);
      series.set(key, total);
      if (series.size > MOST) series.delete(series.keys().next().value!);
    }
  }

  /** Every series of one metric: the same object for as long as it is kept. */
  series(name: LabelledMetric): Iterable<Readonly<Series>> {
    return this.#totals.get(name)?.values() ?? [];
  }
}
