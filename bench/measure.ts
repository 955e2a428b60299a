import type { Backends } from './backends.ts';
import { cpuTime, machineBusy, ownBusy, processTree } from './cpu.ts';
import type { Generator, LoadJob, LoadResult } from './load/load.ts';
import { assertRunning, type Processes, type Started } from './processes.ts';

/** One measured window of one proxy. CPU in microseconds a request, latencies in milliseconds. */
export interface Sample extends LoadResult {
  readonly user: number;
  readonly system: number;
  readonly total: number;
  readonly rate: number;
  /** Cores that the proxy used on average: 1 on a core of its own means that nothing but the proxy was the limit. */
  readonly cores: number;
  /** Cores' worth of CPU that processes other than the benchmark's used meanwhile. */
  readonly others: number;
  /** Why the sample does not count; null: it does. */
  readonly problem: string | null;
}

/** Where and by what the samples are taken. */
export interface Bench {
  readonly processes: Processes;
  readonly backends: Backends;
  /** Goes before the generator's command (taskset). */
  readonly prefix: readonly string[];
}

/** Runs one job against a proxy and reads the CPU time of its processes right before and right after. */
export async function measure(bench: Bench, proxy: Started, generate: Generator, job: LoadJob): Promise<Sample> {
  assertRunning(proxy);
  const machineBefore = machineBusy();
  const ownBefore = ownBusy();
  const wallBefore = performance.now();
  const servedBefore = await bench.backends.served();
  const pids = processTree(proxy.pid);
  let before = cpuTime(pids);
  const result = await generate(bench.processes, bench.prefix, job, () => {
    before = cpuTime(pids);
  });
  const after = cpuTime(pids);
  const served = (await bench.backends.served()) - servedBefore;
  assertRunning(proxy);
  const samePids = processTree(proxy.pid).join() === pids.join();
  const wall = (performance.now() - wallBefore) / 1000;
  const others = (machineBusy() - machineBefore - (ownBusy() - ownBefore)) / wall;
  const user = ((after.user - before.user) / result.requests) * 1e6;
  const system = ((after.system - before.system) / result.requests) * 1e6;
  return {
    ...result,
    user,
    system,
    total: user + system,
    rate: result.requests / result.seconds,
    cores: (after.user + after.system - before.user - before.system) / result.seconds,
    others: Math.max(0, others),
    problem: samePids
      ? problemOf(result, served, job.connections)
      : 'a process of the proxy ended or was started again',
  };
}

/**
 * Why a result does not count; null: it does. `served` is the backends' own count. One request a connection may be
 * under way when the load ends, and as many were left over from the load before; a larger difference means answers that
 * no backend gave, or requests sent twice.
 */
export function problemOf(result: LoadResult, served: number, connections: number): string | null {
  if (result.requests === 0) return 'no request was answered';
  if (result.errors > 0) return `${result.errors} errors`;
  if (result.non2xx > 0) return `${result.non2xx} answers other than 2xx`;
  const missing = result.requests - served;
  if (missing > 2 * connections) return `${missing} answers did not come from a backend`;
  if (-missing > 2 * connections) return `${-missing} requests reached the backends without an answer`;
  return null;
}
