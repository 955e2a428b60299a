/** Closed-loop load by autocannon, see load/worker.ts. */
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import { requestHeaders } from '../request-head.ts';
import { cookiesOf, type LoadJob, type LoadResult } from './load.ts';
import { serveJob } from './worker-job.ts';

await serveJob(run);

async function run(job: LoadJob): Promise<LoadResult> {
  // autocannon's own histogram counts whole milliseconds, too coarse for answers that take less than one.
  const microseconds = createHistogram();
  let connection = 0;
  const options: autocannon.Options & { sampleInt: number } = {
    url: `http://127.0.0.1:${job.port}/`,
    connections: job.connections,
    duration: job.seconds,
    // The run ends at a sample's end: with the default of a second, up to a second late.
    sampleInt: 100,
    setupClient(client) {
      const cookies = cookiesOf(job, connection++);
      client.setRequests(
        cookies.map((cookie) => ({ headers: Object.fromEntries(requestHeaders(job.headers, cookie)) })),
      );
    },
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const done = (error: unknown, outcome: autocannon.Result) => (error ? reject(error) : resolve(outcome));
    autocannon(options, done).on('response', (_client, _status, _bytes, milliseconds) => {
      microseconds.record(Math.max(1, Math.round(milliseconds * 1000)));
    });
  });
  return {
    requests: result['2xx'] + result.non2xx,
    seconds: result.duration,
    errors: result.errors,
    non2xx: result.non2xx,
    p50: microseconds.percentile(50) / 1000,
    p99: microseconds.percentile(99) / 1000,
  };
}
