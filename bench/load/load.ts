import type { Processes } from '../processes.ts';
import type { HeaderLine, HeaderSet } from '../request-head.ts';

/** What a load generator shall do. */
export interface LoadJob {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** The header lines that name the sessions; the requests carry them in turn. Empty: requests of no session. */
  readonly marks: readonly HeaderLine[];
  readonly headers: HeaderSet;
  /** Bytes of the body of each request; 0: none. */
  readonly uploadBytes: number;
  readonly tls: boolean;
  /** A connection for each request. */
  readonly close: boolean;
  /** Requests a second over all connections; null: closed loop, each connection sends when it has its answer. */
  readonly rate: number | null;
}

/** What came of it. Latencies in milliseconds. */
export interface LoadResult {
  /** Requests with a complete answer. */
  readonly requests: number;
  readonly seconds: number;
  /** Connection errors, timeouts and connections that the other side closed. */
  readonly errors: number;
  readonly non2xx: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /**
   * Share of the requests that the latencies are of, see `undisturbed`; 0: of all, because too few were undisturbed.
   * Absent: of all.
   */
  readonly kept?: number;
}

/** A load generator: runs one job in a process of its own and calls `onStart` right before the first connection. */
export type Generator = (
  processes: Processes,
  prefix: readonly string[],
  job: LoadJob,
  onStart: () => void,
) => Promise<LoadResult>;

/**
 * The marks of connection `index`: each session belongs to one connection when there are at least as many sessions as
 * connections; otherwise the connections share them.
 */
export function marksOf(job: LoadJob, index: number): readonly (HeaderLine | null)[] {
  if (job.marks.length === 0) return [null];
  const own = job.marks.filter((_, i) => i % job.connections === index);
  return own.length > 0 ? own : [job.marks[index % job.marks.length]!];
}

/** What requests carry as their body: `bytes` of text. */
export function uploadOf(bytes: number): string {
  return 'limpet benchmark upload; '.repeat(Math.ceil(bytes / 25)).slice(0, bytes);
}
