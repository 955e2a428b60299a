/**
 * Begins sessions as fast as a proxy gives them, see load/worker.ts: `rate` of them in all, over the job's connections,
 * and keeps the cookies of an even sample, which it writes into the file named in its first argument, a header line
 * each.
 */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { PLAIN_GET, requestHead } from '../request-head.ts';
import { LOGIN_PATH } from '../responder.ts';
import { AnswerReader } from './answer-reader.ts';
import type { LoadJob, LoadResult } from './load.ts';
import { serveJob } from './worker-job.ts';

const [file, cookieNames, kept] = process.argv.slice(2);

await serveJob(run);

async function run(job: LoadJob): Promise<LoadResult> {
  const total = job.rate ?? 0;
  const every = Math.max(1, Math.floor(total / Number(kept)));
  const names = cookieNames!.split(',');
  const patterns = names.map((name) => new RegExp(`^set-cookie: *(${name}=[^;\\r]*)`, 'im'));
  const head = requestHead(`127.0.0.1:${job.port}`, { ...PLAIN_GET, path: LOGIN_PATH }, null);
  const lines: string[] = [];
  let sent = 0;
  let requests = 0;
  let errors = 0;
  let non2xx = 0;
  const start = performance.now();

  function open(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
      let underWay = false;
      const more = (): void => {
        underWay = sent < total;
        if (!underWay) {
          socket.destroy();
          return;
        }
        sent++;
        socket.write(head);
      };
      const reader = new AnswerReader((status, answer) => {
        if (status < 200 || status > 299) non2xx++;
        if (requests++ % every === 0 && lines.length < Number(kept)) {
          const pairs = patterns.map((pattern) => pattern.exec(answer)?.[1]).filter((pair) => pair !== undefined);
          lines.push(`Cookie: ${pairs.join('; ')}\n`);
        }
        more();
      });
      socket.on('connect', more);
      socket.on('data', (chunk: Buffer) => {
        if (!reader.push(chunk)) socket.destroy();
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        if (underWay) errors++;
        resolve();
      });
    });
  }

  await Promise.all(Array.from({ length: job.connections }, open));
  writeFileSync(file!, lines.join(''));
  const seconds = (performance.now() - start) / 1000;
  return { requests, seconds, errors, non2xx, p50: 0, p99: 0, p999: 0 };
}
