import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { after, before, describe, type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { type AppProcess, startApps } from '../support/app-process.ts';
import { LargeBody } from '../support/large-body.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';
import { rss } from '../support/rss.ts';

const MIB = 2 ** 20;
/** Of each body. */
const GIB = often(0.25, 4);
const BYTES = GIB * 2 ** 30;
const MOST_GROWTH = 128 * MIB;

describe(`bodies of ${GIB} GiB`, () => {
  let server: AppProcess;
  let limpet: LimpetProcess;

  before(async () => {
    [server] = (await startApps(new URL('../support/large-body-server.ts', import.meta.url), 'a')) as [AppProcess];
  });
  after(() => server?.kill());

  /** Runs `transfer` through a limpet of its own and judges its memory while that lasts. */
  const measured = async (t: TestContext, workers: number, transfer: () => Promise<void>): Promise<void> => {
    limpet = await startLimpetProcess(
      `workers: ${workers}\npools: { p: { backends: [{ id: a, url: "${server.url}" }] } }\n`,
    );
    t.after(limpet.stop);
    const pid = limpet.process.pid!;
    const first = rss(pid);
    let most = first;
    const timer = setInterval(() => {
      most = Math.max(most, rss(pid));
    }, 20);
    const started = performance.now();
    try {
      await transfer();
    } finally {
      clearInterval(timer);
    }
    const seconds = (performance.now() - started) / 1000;
    const [from, growth] = [first, most - first].map((bytes) => Math.round(bytes / MIB));
    t.diagnostic(`${seconds.toFixed(1)} s, memory ${from} MiB and ${growth} MiB more`);
    assert.ok(most - first < MOST_GROWTH, `${growth} MiB more`);
    assert.equal(limpet.stderr(), '');
  };

  const up = async (headers: Record<string, string>): Promise<void> => {
    const body = new LargeBody(BYTES);
    const outgoing = request(`${limpet.url}/up`, { method: 'PUT', headers, agent: false });
    body.pipe(outgoing);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    assert.deepEqual(JSON.parse((await response.toArray()).join('')), { bytes: BYTES, crc: body.crc });
  };

  const down = async (path: string): Promise<void> => {
    const outgoing = request(`${limpet.url}${path}`, { agent: false }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    let [bytes, crc] = [0, 0];
    let slept = false;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      crc = crc32(chunk, crc);
      // Once, the client does not read for a while.
      if (slept || bytes < LargeBody.SLEEP_AT) return;
      slept = true;
      response.pause();
      setTimeout(() => response.resume(), LargeBody.SLEEP_MS);
    });
    await once(response, 'end');
    const given: unknown = await (await fetch(`${server.url}/given`)).json();
    assert.deepEqual({ bytes, crc }, given);
    assert.equal(bytes, BYTES);
  };

  test('62: an upload of known length passes whole, and limpet keeps next to nothing of it', (t) =>
    measured(t, 2, () => up({ 'content-length': String(BYTES) })));

  test('62: a download of known length, likewise', (t) => measured(t, 2, () => down(`/down?bytes=${BYTES}`)));

  test('62: both at once and chunked', (t) =>
    measured(t, 1, async () => {
      await Promise.all([up({ 'transfer-encoding': 'chunked' }), down(`/down?chunked&bytes=${BYTES}`)]);
    }));
});
