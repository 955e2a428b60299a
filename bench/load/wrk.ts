import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import { type HeaderLine, requestHead } from '../request-head.ts';
import { type Generator, type LoadJob, type LoadResult, uploadOf } from './load.ts';

/** Whole requests are kept in wrk's memory up to so many bytes; above, fewer sessions take part in the load. */
const KEPT_BYTES = 64 * 2 ** 20;
/** Stands in the head where the line of a session goes. */
const PLACE: HeaderLine = ['X-Session-Line', ''];
const PLACE_LINE = 'X-Session-Line: \r\n';

/**
 * Closed-loop load by wrk, one thread. `program` is its path, `directory` takes its script and the list of sessions.
 */
export function wrkGenerator(program: string, directory: string): Generator {
  return async (processes, prefix, job, onStart) => {
    const script = join(directory, `wrk-${job.port}.lua`);
    const list = join(directory, `wrk-${job.port}.sessions`);
    await writeFile(list, job.marks.map(([name, value]) => `${name}: ${value}\n`).join(''));
    await writeFile(script, wrkScript(job, list));
    const { connections, seconds, port } = job;
    const command = [...prefix, program, '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script];
    const url = `${job.tls ? 'https' : 'http'}://127.0.0.1:${port}/`;
    onStart();
    const started = await processes.start('wrk', [...command, url], {});
    await started.closed;
    return parseWrk(started.output());
  };
}

/**
 * The Lua script: sends the requests of the sessions in the file `list` in turn and prints the figures as one line of
 * JSON.
 */
export function wrkScript(job: LoadJob, list: string): string {
  const host = `127.0.0.1:${job.port}`;
  const mark = job.marks.length === 0 ? null : PLACE;
  const [before, after] = requestHead(host, job, mark).split(PLACE_LINE);
  const most = Math.max(16, Math.floor(KEPT_BYTES / (4096 + job.uploadBytes)));
  // JSON's escapes for the line ends and quotes of a header block are Lua's as well.
  const text = (value: string): string => JSON.stringify(value);
  const body = `string.rep(${text(uploadOf(Math.min(job.uploadBytes, 1024)))}, ${Math.ceil(job.uploadBytes / 1024)})`;
  return `local before, after = ${text(before!)}, ${text(after ?? '')}
local body = ${job.uploadBytes === 0 ? '""' : `string.sub(${body}, 1, ${job.uploadBytes})`}
local lines, heads, count = {}, {}, 0
for line in io.lines(${text(list)}) do
  count = count + 1
  lines[count] = line .. "\\r\\n"
end
if count == 0 then lines[1], count = "", 1 end
-- Few sessions: the requests are put together once. Many: a request is put together when it is sent.
local kept = ${most}
if count <= kept or #body > 0 then
  if count > kept then count = kept end
  for i = 1, count do heads[i] = before .. lines[i] .. after .. body end
end
local next = 0
function request()
  next = next % count + 1
  return heads[next] or before .. lines[next] .. after
end
function done(summary, latency)
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"microseconds":%d,"errors":%d,"non2xx":%d,"p50":%d,"p99":%d,"p999":%d}',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`;
}

/** Reads the figures from what wrk printed; a BenchError with the output when they are not there. */
export function parseWrk(output: string): LoadResult {
  const line = /^RESULT (\{.*\})$/m.exec(output);
  if (line === null) throw new BenchError(`wrk printed no result: ${output}`);
  const { requests, microseconds, errors, non2xx, p50, p99, p999 } = JSON.parse(line[1]!) as Record<string, number>;
  return {
    requests: requests!,
    seconds: microseconds! / 1e6,
    errors: errors!,
    non2xx: non2xx!,
    p50: p50! / 1000,
    p99: p99! / 1000,
    p999: p999! / 1000,
  };
}
