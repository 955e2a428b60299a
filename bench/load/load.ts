import type { Processes } from '../processes.ts';
import type { HeaderSet } from '../request-head.ts';

/** What a load generator shall do. */
export interface LoadJob {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  /** `name=value` pairs that the requests carry in turn; empty: requests without a cookie. */
  readonly cookies: readonly string[];
  readonly headers: HeaderSet;
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
}

/** A load generator: runs one job in a process of its own and calls `onStart` right before the first connection. */
export type Generator = (
  processes: Processes,
  prefix: readonly string[],
  job: LoadJob,
  onStart: () => void,
) => Promise<LoadResult>;

/**
 * The cookies of connection `index`: each session belongs to one connection when there are at least as many sessions as
 * connections; otherwise the connections share them.
 */
export function cookiesOf(job: LoadJob, index: number): readonly (string | null)[] {
  if (job.cookies.length === 0) return [null];
  const own = job.cookies.filter((_, i) => i % job.connections === index);
  return own.length > 0 ? own : [job.cookies[index % job.cookies.length]!];
}
