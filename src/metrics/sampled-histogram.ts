import { Histogram, type Registry } from 'prom-client';
import { BUCKETS_MS } from './buckets.ts';
import type { TimeHistogram } from './counter-sums.ts';

/** One series of a histogram: its labels and what was counted. */
interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly times: TimeHistogram;
}

type Collected = Awaited<ReturnType<Histogram['get']>>;

const BOUNDS = BUCKETS_MS.map((ms) => ms / 1000);
const LE = [...BOUNDS, '+Inf'] as const;

/**
 * A histogram whose buckets are read when it is collected. prom-client's own takes one value at a time and cannot be
 * set, so the two calls that a registry makes are answered here.
 */
export class SampledHistogram extends Histogram {
  readonly #name: string;
  readonly #empty: Histogram;
  readonly #read: () => Iterable<HistogramSample>;

  /** @param read gives the series, each with exactly the labels in `labels` */
  constructor(
    registry: Registry,
    name: string,
    help: string,
    labels: readonly string[],
    read: () => Iterable<HistogramSample>,
  ) {
    const configuration = { name, help, labelNames: labels, buckets: BOUNDS };
    super({ ...configuration, registers: [registry] });
    this.#name = name;
    this.#empty = new Histogram({ ...configuration, registers: [] });
    this.#read = read;
  }

  override async get(): Promise<Collected> {
    const values: Collected['values'] = [];
    for (const { labels, times } of this.#read()) {
      times.cumulative.forEach((value, i) => {
        values.push({ metricName: `${this.#name}_bucket`, labels: { ...labels, le: LE[i]! }, value });
      });
      values.push({ metricName: `${this.#name}_sum`, labels, value: times.sumSeconds });
      values.push({ metricName: `${this.#name}_count`, labels, value: times.count });
    }
    return { ...(await this.#empty.get()), values };
  }

  /** A registry asks for this in place of `get` where it exists, for the text format. */
  getForPromString(): Promise<Collected> {
    return this.get();
  }
}
