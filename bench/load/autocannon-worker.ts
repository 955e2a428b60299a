/** Closed-loop load by autocannon, see load/worker.ts. */
import { createHistogram } from 'node:perf_hooks';
import autocannon from 'autocannon';
import { requestHeaders } from '../request-head.ts';
import { type LoadJob, type LoadResult, marksOf, uploadOf } from './load.ts';
import { serveJob } from './worker-job.ts';

await serveJob(run);

async function run(job: LoadJob): Promise<LoadResult> {
  // autocannon's own histogram counts whole milliseconds, too coarse for answers that take less than one.
  const microseconds = createHistogram();
  let connection = 0;
  const { method, path } = job;
  const body = job.uploadBytes > 0 ? { body: uploadOf(job.uploadBytes) } : {};
  const options: autocannon.Options & { sampleInt: number } = {
    url: `http${job.tls ? 's' : ''}://127.0.0.1:${job.port}/`,
    ...(job.tls ? { tlsOptions: { rejectUnauthorized: false } } : {}),
    connections: job.connections,
    duration: job.seconds,
    // The run ends at a sample's end: with the default of a second, up to a second late.
    sampleInt: 100,
    setupClient(client) {
      client.setRequests(
        // Each request is kept with its body: one a connection when that is large.
        marksOf(job, connection++)
          .slice(0, job.uploadBytes > 65_536 ? 1 : undefined)
          .map((mark) => ({
            method,
            path,
            headers: Object.fromEntries(requestHeaders(job.headers, mark)),
            ...body,
          })),
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
    p999: microseconds.percentile(99.9) / 1000,
  };
}
