import { once } from 'node:events';
import type { LoadJob, LoadResult } from './load.ts';

/** The script's side of a worker generator: takes the job, waits for the go, sends what `run` returns. */
export async function serveJob(run: (job: LoadJob) => Promise<LoadResult>): Promise<void> {
  process.once('disconnect', () => process.exit(0));
  const [job] = (await once(process, 'message')) as [LoadJob];
  const go = once(process, 'message');
  process.send?.('ready');
  await go;
  process.send?.(await run(job));
}
