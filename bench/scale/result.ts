import type { Machine } from '../machine.ts';
import type { Filled } from './fill.ts';
import type { ScaleOptions } from './options.ts';
import type { Latencies, Round } from './requests.ts';
import type { Write } from './resident-limpet.ts';

/**
 * The longest turns of an event loop, ms: while snapshots were written, and between. Own: CPU time of the thread and
 * its waits for locks, without what it waited for a core of the machine or of the hypervisor.
 */
export interface LongestTurns {
  readonly thread: string;
  readonly during: number;
  readonly between: number;
  readonly ownDuring: number;
  readonly ownBetween: number;
}

/** Snapshots that were written under load. */
export interface Writing {
  /** Requests a second. */
  readonly rate: number;
  readonly writes: readonly Write[];
  readonly during: Latencies;
  readonly between: Latencies;
  readonly turns: readonly LongestTurns[];
}

/** One size in a limpet. */
export interface Resident {
  readonly readyMs: number;
  readonly loadMs: number;
  /** That it counted when it had started, and after all load. */
  readonly sessions: number;
  readonly sessionsAfter: number;
  /** Bytes, when it had started, and after all load. */
  readonly resident: number;
  readonly residentAfter: number;
  readonly rounds: readonly Round[];
}

/** What was measured with so many workers. */
export interface WorkersResult {
  readonly workers: number;
  /** Start without a snapshot, ms. */
  readonly emptyMs: number;
  readonly few: Resident;
  readonly many: Resident;
  /** Bytes of its shared memory that `SessionTableMemory` says for the large size. */
  readonly tableBytes: number;
  readonly bytesPerSession: number;
  /** Middle of the rounds' own ratios, large over small. */
  readonly p99Ratio: number;
  /**
   * The same of requests without stolen time, of the rounds in which both sizes have enough of them; null: there was no
   * such round.
   */
  readonly calmP99Ratio: number | null;
  /** The same of latencies from when a request was sent. */
  readonly sentP99Ratio: number;
  readonly loaded: Writing;
  /** At a small rate. */
  readonly quiet: Writing;
}

/** All of a run. */
export interface ScaleResult {
  readonly machine: Machine;
  readonly options: ScaleOptions;
  readonly few: Filled;
  readonly many: Filled;
  readonly runs: readonly WorkersResult[];
}
