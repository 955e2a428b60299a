import { spread } from '../statistics.ts';
import type { Write } from './resident-limpet.ts';

/** Latencies of some requests, ms, from when they were due. */
export interface Latencies {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** The same from when they were sent: without what the generator was late. */
  readonly sentP99: number;
  readonly sentMax: number;
  /** The longest that the generator was late by itself. */
  readonly late: number;
}

/** Those of a round. */
export interface Round extends Latencies {
  /** See `Offered`. */
  readonly calm: { readonly p99: number; readonly kept: number };
}

/** Every request of a load, in the order of their answers. */
export class Requests {
  /** Three numbers each, see paced-worker.ts. */
  readonly #values: Float64Array;

  constructor(values: Float64Array) {
    this.#values = values;
  }

  /** Those that were under way while a snapshot was written; with `during` false the others. */
  apart(writes: readonly Write[], during: boolean): Requests {
    const kept: number[] = [];
    for (let at = 0; at < this.#values.length; at += 3) {
      const due = this.#values[at]!;
      const answered = due + this.#values[at + 1]!;
      if (writes.some(({ from, to }) => due <= to && answered >= from) === during)
        kept.push(...this.#values.subarray(at, at + 3));
    }
    return new Requests(Float64Array.from(kept));
  }

  latencies(): Latencies {
    const requests = this.#values.length / 3;
    const latency = new Float64Array(requests);
    const sent = new Float64Array(requests);
    let late = 0;
    for (let n = 0; n < requests; n++) {
      const value = this.#values[n * 3 + 1]!;
      latency[n] = value;
      sent[n] = value - this.#values[n * 3 + 2]!;
      late = Math.max(late, this.#values[n * 3 + 2]!);
    }
    latency.sort();
    sent.sort();
    return {
      requests,
      p50: at(latency, 0.5),
      p99: at(latency, 0.99),
      p999: at(latency, 0.999),
      max: at(latency, 1),
      sentP99: at(sent, 0.99),
      sentMax: at(sent, 1),
      late,
    };
  }
}

/** The middle of rounds, figure by figure; of the largest the largest. */
export function middle(rounds: readonly Latencies[]): Latencies {
  const median = (figure: keyof Latencies): number => spread(rounds.map((round) => round[figure])).median;
  const most = (figure: keyof Latencies): number => Math.max(...rounds.map((round) => round[figure]));
  return {
    requests: rounds.reduce((sum, { requests }) => sum + requests, 0),
    p50: median('p50'),
    p99: median('p99'),
    p999: median('p999'),
    max: most('max'),
    sentP99: median('sentP99'),
    sentMax: most('sentMax'),
    late: most('late'),
  };
}

function at(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
