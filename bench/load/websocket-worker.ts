/**
 * Closed-loop WebSocket load, see load/worker.ts: each connection sends a 64-byte text message when the one before has
 * come back.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { requestHead } from '../request-head.ts';
import { WEBSOCKET_PATH } from '../responder.ts';
import { type LoadJob, type LoadResult, marksOf } from './load.ts';
import { serveJob } from './worker-job.ts';

const MESSAGE_BYTES = 64;
/** Header of two bytes, and in the client's direction four of the mask (RFC 6455, section 5.2). */
const ANSWER_BYTES = 2 + MESSAGE_BYTES;
const HEAD_END = '\r\n\r\n';

await serveJob(run);

/** One masked text message. The same for all: a proxy does not look into it. */
function message(): Buffer {
  const mask = randomBytes(4);
  const bytes = Buffer.alloc(6 + MESSAGE_BYTES, 'a message of a chat or of a game, ');
  bytes[0] = 0x81;
  bytes[1] = 0x80 | MESSAGE_BYTES;
  mask.copy(bytes, 2);
  for (let i = 0; i < MESSAGE_BYTES; i++) bytes[6 + i] = bytes[6 + i]! ^ mask[i & 3]!;
  return bytes;
}

async function run(job: LoadJob): Promise<LoadResult> {
  const frame = message();
  const microseconds = createHistogram();
  let requests = 0;
  let errors = 0;
  let non2xx = 0;
  let closing = false;

  function open(index: number): Promise<{ socket: Socket; begin: () => void }> {
    const [mark] = marksOf(job, index);
    const socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
    const shape = { method: 'GET', path: WEBSOCKET_PATH, headers: job.headers, uploadBytes: 0, close: false } as const;
    const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}`;
    const head = requestHead(`127.0.0.1:${job.port}`, shape, mark ?? null).replace('Connection: keep-alive', upgrade);
    let sent = 0;
    const send = (): void => {
      sent = performance.now();
      socket.write(frame);
    };
    return new Promise((resolve, reject) => {
      let answer = '';
      let received = 0;
      let open = false;
      socket.on('connect', () => socket.write(head, 'latin1'));
      socket.on('data', (chunk: Buffer) => {
        if (open) {
          received += chunk.length;
          if (received < ANSWER_BYTES || closing) return;
          received -= ANSWER_BYTES;
          requests++;
          microseconds.record(Math.max(1, Math.round((performance.now() - sent) * 1000)));
          send();
          return;
        }
        answer += chunk.latin1Slice();
        if (!answer.includes(HEAD_END)) return;
        open = answer.startsWith('HTTP/1.1 101 ');
        if (!open) non2xx++;
        resolve({ socket, begin: open ? send : () => {} });
      });
      socket.on('error', reject);
      socket.on('close', () => {
        if (!closing) errors++;
        reject(new Error('the connection was closed before the handshake was answered'));
      });
    });
  }

  const opened = await Promise.allSettled(Array.from({ length: job.connections }, (_, index) => open(index)));
  const start = performance.now();
  for (const one of opened) if (one.status === 'fulfilled') one.value.begin();
  await delay(job.seconds * 1000);
  const seconds = (performance.now() - start) / 1000;
  closing = true;
  for (const one of opened) if (one.status === 'fulfilled') one.value.socket.destroy();
  errors += opened.filter(({ status }) => status === 'rejected').length;
  const percentile = (p: number): number => microseconds.percentile(p) / 1000;
  return { requests, seconds, errors, non2xx, p50: percentile(50), p99: percentile(99), p999: percentile(99.9) };
}
