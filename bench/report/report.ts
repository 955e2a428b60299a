import type { Case } from '../cases/case.ts';
import type { GeneratorName } from '../load/generators.ts';
import type { Machine } from '../machine.ts';
import type { Sample } from '../measure.ts';
import type { Options } from '../options.ts';
import { type Spread, spread } from '../statistics.ts';

/** What every proxy's result of a case begins with. */
export interface Result {
  readonly name: string;
  readonly configuration: string;
}

/** Requests: what was measured of one proxy. */
export interface Measured extends Result {
  /** Closed loop: each connection sends its next request when it has its answer. */
  readonly closed: readonly Sample[];
  /** At a fixed rate; empty when there was no such part. */
  readonly paced: readonly Sample[];
  /** Requests a second that were offered in the paced part; null: there was none. */
  readonly offered: number | null;
  /** Highest resident memory of the proxy's processes, bytes. */
  readonly peakMemory: number;
}

/** Idle connections: bytes of resident memory of each, by round. */
export interface IdleMeasured extends Result {
  readonly connections: number;
  readonly bytesEach: readonly number[];
}

/** One backend's death under load. */
export interface FailoverRun {
  /** Requests answered with 2xx in the whole window. */
  readonly requests: number;
  /** Answers other than 2xx, and connections that the proxy closed or that could not be made. */
  readonly errors: number;
  /** What they were, and how many of each. */
  readonly errorKinds: Readonly<Record<string, number>>;
  /** Sessions that the dead backend held, and how many of them were answered by another one before the window's end. */
  readonly sessions: number;
  readonly moved: number;
  /** Milliseconds from the kill to the first answer to the first and to the last session that moved. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Longest time that a client waited for an answer, ms. */
  readonly longestMs: number;
}

/** Failover: what was measured of one proxy. */
export interface FailoverMeasured extends Result {
  readonly runs: readonly FailoverRun[];
}

interface Common {
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
}

/** What came of one case; `kind` as in the case. */
export type CaseReport =
  | (Common & {
      readonly kind: 'requests';
      readonly case: Case;
      readonly load: GeneratorName | 'websocket';
      /** Requests a second that generator and backends reach with nothing between them; null: not measured. */
      readonly ceiling: number | null;
      readonly proxies: readonly Measured[];
    })
  | (Common & { readonly kind: 'idle'; readonly case: Case; readonly proxies: readonly IdleMeasured[] })
  | (Common & { readonly kind: 'failover'; readonly case: Case; readonly proxies: readonly FailoverMeasured[] });

/** The whole outcome, as it is written to the JSON file. */
export interface Report {
  readonly command: string;
  readonly date: string;
  readonly seconds: number;
  readonly machine: Machine;
  readonly tools: Readonly<Record<string, string>>;
  readonly options: Options;
  readonly pinned: boolean;
  readonly proxies: readonly { readonly name: string; readonly version: string; readonly setup: string }[];
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  readonly cases: readonly CaseReport[];
  /** Cases that could not be run, and why. */
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
}

/** Why a series does not count, or null. */
export function problem(samples: readonly Sample[]): string | null {
  const index = samples.findIndex((sample) => sample.problem !== null);
  return index < 0 ? null : `INVALID (round ${index + 1}: ${samples[index]!.problem})`;
}

/**
 * CPU a request as a multiple of another proxy's: taken round by round, because a machine that others use changes its
 * speed from round to round far more than within one.
 */
export function ratioTo(samples: readonly Sample[], other: readonly Sample[]): Spread {
  return spread(samples.map(({ total }, round) => total / (other[round]?.total ?? Number.NaN)));
}

/** Whether everything that was asked for was measured and counts. */
export function isValid(report: Report): boolean {
  if (report.failed.length > 0) return false;
  return report.cases.every(
    (one) =>
      one.kind !== 'requests' ||
      one.proxies.every(({ closed, paced }) => problem(closed) === null && problem(paced) === null),
  );
}
