/**
 * Load at a fixed rate, see load/worker.ts. autocannon's own `overallRate` sends each second's requests in one burst at
 * the start of that second, which measures the burst; here request k is due at start + k / rate. A request that finds
 * no idle connection waits, and its latency counts from when it was due, so a stall is not hidden (coordinated
 * omission). With a file as its first argument it writes every request there, three doubles each: when it was due, ms
 * since epoch; its latency; how late it was sent, ms, by the generator's own fault: what it waited for an idle
 * connection is not in it.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { ByteSocket, OpeningEvents } from '../../src/sockets/byte-socket.ts';
import { NodeSocket } from '../../src/sockets/node-socket.ts';
import { openSocket } from '../../src/sockets/open-socket.ts';
import { startSockets } from '../../src/sockets/start-sockets.ts';
import { stolen } from '../cpu.ts';
import { requestHead } from '../request-head.ts';
import { AnswerReader } from './answer-reader.ts';
import { type LoadJob, type LoadResult, marksOf, uploadOf } from './load.ts';
import { LOOK_MS, type Look, undisturbed } from './undisturbed.ts';
import { serveJob } from './worker-job.ts';

/** How long answers that are still due may take after the last request. */
const GRACE_MS = 2000;

interface Connection {
  readonly socket: ByteSocket;
  readonly heads: readonly string[];
  sent: number;
  /** When the request under way was due; the time scale of performance.now(). */
  due: number;
  /** How long after that it was sent, as far as the generator itself was late. */
  late: number;
}

const [file] = process.argv.slice(2);

await startSockets('auto');
await serveJob(run);

async function run(job: LoadJob): Promise<LoadResult> {
  const host = `127.0.0.1:${job.port}`;
  const rate = job.rate ?? 1;
  const upload = job.uploadBytes === 0 ? null : Buffer.from(uploadOf(job.uploadBytes));
  /** When each request was due, and its latency. */
  const answered: number[] = [];
  const looks: Look[] = [];
  const each: number[] = [];
  const idle: Connection[] = [];
  let requests = 0;
  let non2xx = 0;
  let errors = 0;
  let closing = false;

  // limpet's own connections: what the generator itself costs is in the way of everybody's latencies.
  async function open(index: number): Promise<Connection> {
    const heads = marksOf(job, index).map((mark) => requestHead(host, job, mark));
    const { promise, resolve, reject } = Promise.withResolvers<ByteSocket>();
    const events: OpeningEvents = {
      onBytes(size, bytes) {
        if (reader.push(bytes.subarray(0, size))) return true;
        connection.socket.destroy();
        return false;
      },
      onOpen: resolve,
      onEnd: () => connection.socket.destroy(),
      onDrain() {},
      onClose(error) {
        if (!closing) errors++;
        reject(error ?? new Error('closed'));
      },
    };
    if (job.tls) {
      const socket = connectTls({ port: job.port, host: '127.0.0.1', rejectUnauthorized: false });
      const wrapped = new NodeSocket(socket, events);
      wrapped.watch();
      socket
        .setNoDelay(true)
        .resume()
        .once('secureConnect', () => resolve(wrapped));
    } else openSocket({ port: job.port, host: '127.0.0.1' }, '', events);
    const connection: Connection = { socket: await promise, heads, sent: 0, due: 0, late: 0 };
    const reader = new AnswerReader((status) => {
      const latency = performance.now() - connection.due;
      answered.push(connection.due, latency);
      if (file !== undefined) each.push(performance.timeOrigin + connection.due, latency, connection.late);
      requests++;
      if (status < 200 || status > 299) non2xx++;
      idle.push(connection);
    });
    return connection;
  }

  const connections = await Promise.all(Array.from({ length: job.connections }, (_, index) => open(index)));
  idle.push(...connections);
  const start = performance.now();
  const total = Math.round(rate * job.seconds);
  let sent = 0;
  let before = start;
  let taken = stolen();
  looks.push({ at: start, stolen: 0 });
  // Timers fire a millisecond apart at best: what fell due since the last turn is sent together.
  const end = start + job.seconds * 1000 + GRACE_MS;
  while (requests < total && performance.now() < end && errors === 0) {
    const now = performance.now();
    const turn = now - before;
    before = now;
    while (sent < total && idle.length > 0 && start + (sent / rate) * 1000 <= now) {
      const connection = idle.shift()!;
      connection.due = start + (sent / rate) * 1000;
      // What fell due in an earlier turn has waited for a connection.
      connection.late = Math.min(turn, now - connection.due);
      const head = connection.heads[connection.sent++ % connection.heads.length]!;
      if (upload === null) connection.socket.write(head, 'latin1');
      else {
        connection.socket.cork();
        connection.socket.write(head, 'latin1');
        connection.socket.write(upload);
        connection.socket.uncork();
      }
      sent++;
    }
    if (now - looks.at(-1)!.at >= LOOK_MS) {
      const all = stolen();
      looks.push({ at: now, stolen: all - taken });
      taken = all;
    }
    await delay(1);
  }
  const seconds = (performance.now() - start) / 1000;
  closing = true;
  for (const { socket } of connections) socket.destroy();
  if (file !== undefined) writeFileSync(file, Float64Array.from(each));
  const { latencies, kept } = undisturbed(answered, looks);
  const sorted = Float64Array.from(latencies).sort();
  const percentile = (percent: number): number =>
    sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
  return {
    requests,
    seconds,
    errors: errors + (errors === 0 ? total - requests : 0),
    non2xx,
    p50: percentile(50),
    p99: percentile(99),
    p999: percentile(99.9),
    kept,
  };
}
