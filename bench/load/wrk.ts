import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import { requestHead } from '../request-head.ts';
import type { Generator, LoadJob, LoadResult } from './load.ts';

/** Closed-loop load by wrk, one thread. `program` is its path, `directory` takes its script. */
export function wrkGenerator(program: string, directory: string): Generator {
  return async (processes, prefix, job, onStart) => {
    const script = join(directory, `wrk-${job.port}.lua`);
    await writeFile(script, wrkScript(job));
    const { connections, seconds, port } = job;
    const command = [...prefix, program, '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script];
    onStart();
    const started = await processes.start(
      'wrk',
      [...command, `${job.tls ? 'https' : 'http'}://127.0.0.1:${port}/`],
      {},
    );
    await started.closed;
    return parseWrk(started.output());
  };
}

/** The Lua script: sends the sessions' requests in turn and prints the figures as one line of JSON. */
export function wrkScript(job: LoadJob): string {
  const cookies = job.cookies.length > 0 ? job.cookies : [null];
  // JSON's escapes for the line ends and quotes of a header block are Lua's as well.
  const heads = cookies.map((cookie) =>
    JSON.stringify(requestHead(`127.0.0.1:${job.port}`, job.headers, cookie, job.close)),
  );
  return `local heads = {
${heads.join(',\n')}
}
local next, count = 0, ${heads.length}
function request()
  next = next % count + 1
  return heads[next]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"microseconds":%d,"errors":%d,"non2xx":%d,"p50":%d,"p99":%d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99)))
end
`;
}

/** Reads the figures from what wrk printed; a BenchError with the output when they are not there. */
export function parseWrk(output: string): LoadResult {
  const line = /^RESULT (\{.*\})$/m.exec(output);
  if (line === null) throw new BenchError(`wrk printed no result: ${output}`);
  const { requests, microseconds, errors, non2xx, p50, p99 } = JSON.parse(line[1]!) as Record<string, number>;
  return {
    requests: requests!,
    seconds: microseconds! / 1e6,
    errors: errors!,
    non2xx: non2xx!,
    p50: p50! / 1000,
    p99: p99! / 1000,
  };
}
