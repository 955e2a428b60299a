import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { ConfigFile } from '../support/config-file.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const PRELOAD = new URL('../support/spin-on-signal.ts', import.meta.url).href;

describe('a worker that makes no progress', () => {
  const backend = new HttpBackend('a');
  before(() => backend.start());
  after(() => backend.stop());

  const start = async (
    t: TestContext,
    spinMs: number | null,
    more = '',
    spins: Record<string, string> = {},
  ): Promise<LimpetProcess> => {
    backend.answer = echo;
    const limpet = await startLimpetProcess(
      `workers: 2\nlog: { access: false }\nshutdown: { grace: 2s }\n${more}pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
      {
        env: {
          NODE_OPTIONS: `--import=${PRELOAD}`,
          ...(spinMs === null ? {} : { SPIN_MS: String(spinMs) }),
          ...spins,
        },
      },
    );
    t.after(limpet.stop);
    return limpet;
  };
  const readyz = (limpet: LimpetProcess) => ask(`${limpet.admin}/readyz`);

  test('L8: readyz is 503 and says why, and 200 again when it goes on', async (t) => {
    const limpet = await start(t, 12_000);
    assert.equal((await readyz(limpet)).status, 200);
    const began = performance.now();
    limpet.process.kill('SIGUSR2');
    await eventually('readyz 503', async () => (await readyz(limpet)).status === 503);
    assert.ok(performance.now() - began < 11_000);
    assert.match((await readyz(limpet)).body, /limpet is not ready: of 2 workers 1 makes no progress\./);
    await limpet.logged((line) => line.msg === 'worker makes no progress: what reaches it waits' && line.worker === 0);
    await eventually('readyz 200', async () => (await readyz(limpet)).status === 200, 60_000);
    await limpet.logged((line) => line.msg === 'worker makes progress again');
  });

  test('L8: a pause of the whole process is no fault of its workers', async (t) => {
    const limpet = await start(t, null);
    for (let n = 0; n < 2; n++) {
      limpet.process.kill('SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      limpet.process.kill('SIGCONT');
      for (let i = 0; i < 20; i++) assert.equal((await readyz(limpet)).status, 200);
    }
  });

  for (const waits of ['never', 'to be ready', 'to go by it']) {
    test(`L7: SIGTERM ends limpet within the grace and a second; a reload waits for it: ${waits}`, async (t) => {
      const limpet = await start(t, null, '', waits === 'to go by it' ? { SPIN_AFTER: 'prepared' } : {});
      if (waits !== 'to go by it') limpet.process.kill('SIGUSR2');
      if (waits !== 'never') {
        new ConfigFile(limpet).replace('grace: 2s', 'grace: 2100ms');
        limpet.process.kill('SIGHUP');
      }
      await eventually('readyz 503', async () => (await readyz(limpet)).status === 503);
      const exited = once(limpet.process, 'exit');
      const began = performance.now();
      limpet.process.kill('SIGTERM');
      assert.deepEqual(await exited, [0, null]);
      const took = performance.now() - began;
      assert.ok(took < 2_000 + 1_000 + 10_000, `${took}: a busy machine may take some seconds on top`);
      t.diagnostic(`${Math.round(took)} ms`);
    });
  }

  test('L7: a reload is refused when a worker does not answer, and is possible again when it does', async (t) => {
    const limpet = await start(t, 22_000);
    const config = new ConfigFile(limpet);
    limpet.process.kill('SIGUSR2');
    await eventually('readyz 503', async () => (await readyz(limpet)).status === 503);
    config.replace('grace: 2s', 'grace: 2100ms');
    const reload = async () => (await fetch(`${limpet.admin}/api/v1/reload`, { method: 'POST' })).json();
    assert.match(JSON.stringify(await reload()), /worker 0 makes no progress: see the log/);
    assert.equal((await readyz(limpet)).status, 503);
    await eventually('readyz 200', async () => (await readyz(limpet)).status === 200, 60_000);
    const { generation, errors } = (await reload()) as { generation?: number; errors?: unknown };
    assert.deepEqual([generation, errors], [2, undefined]);
    assert.equal((await fetch(limpet.url)).status, 200);
  });

  test('L7: nor does anything else hold a stop: a collector, an admin request', async (t) => {
    const deaf = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await once(deaf, 'listening');
    t.after(() => deaf.close());
    const { port } = deaf.address() as { port: number };
    const limpet = await start(t, null, `tracing: { otlp: "http://127.0.0.1:${port}", sample: 100% }\n`);
    const ac = new AbortController();
    const events = fetch(`${limpet.admin}/api/v1/events`, { signal: ac.signal }).catch(() => null);
    assert.equal((await fetch(limpet.url)).status, 200);
    backend.answer = () => {};
    const held = fetch(limpet.url).catch(() => null);
    const exited = once(limpet.process, 'exit');
    const began = performance.now();
    limpet.process.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
    const took = performance.now() - began;
    ac.abort();
    await Promise.all([events, held]);
    assert.ok(took < 2_000 + 1_000 + 10_000, `${took}: a busy machine may take some seconds on top`);
    t.diagnostic(`${Math.round(took)} ms`);
  });
});
