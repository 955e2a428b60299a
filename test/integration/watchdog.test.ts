import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackends } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { isWhole, RawClient } from '../support/raw-client.ts';

const PRELOAD = new URL('../support/spin-on-signal.ts', import.meta.url).href;
const CONNECTIONS = 40;

interface Session {
  readonly client: RawClient;
  readonly cookie: string;
  readonly backend: string;
}

describe('watchdog', () => {
  let backends: Awaited<ReturnType<typeof startBackends>>;
  before(async () => {
    backends = await startBackends('a', 'b');
  });
  after(() => Promise.all(backends.map((backend) => backend.kill())));

  const start = async (
    t: TestContext,
    more: string,
    env: Record<string, string> = {},
    pool = '',
  ): Promise<LimpetProcess> => {
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const limpet = await startLimpetProcess(`workers: 2\n${more}pools: { shop: { backends: [${list}]${pool} } }\n`, {
      env: { NODE_OPTIONS: `--import=${PRELOAD}`, SPIN_HOT: '1', ...env },
      // SPIN_HOLDING knows a file of src by the stack, and a bundle has others.
      main: fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)),
    });
    t.after(limpet.stop);
    return limpet;
  };

  const send = (client: RawClient, cookie: string): void => {
    client.text = '';
    client.send(`GET / HTTP/1.1\r\nHost: x\r\n${cookie === '' ? '' : `Cookie: ${cookie}\r\n`}\r\n`);
  };
  const backendIn = (text: string): string => /x-backend: (\w+)/i.exec(text)?.[1] ?? '';
  const begin = async (t: TestContext, port: number): Promise<Session> => {
    const client = await RawClient.open(port);
    t.after(() => client.close());
    send(client, '');
    const text = await client.until(isWhole);
    return { client, cookie: /set-cookie: ([^;]+)/i.exec(text)?.[1] ?? '', backend: backendIn(text) };
  };
  const rows = async ({ admin }: LimpetProcess): Promise<number> =>
    ((await (await fetch(`${admin}/api/v1/sessions?limit=1000`)).json()) as { sessions: unknown[] }).sessions.length;
  const running = async ({ admin }: LimpetProcess): Promise<number> =>
    ((await (await fetch(`${admin}/api/v1/status`)).json()) as { workers: number }).workers;

  /**
   * Lets worker 0 spin while all sessions send, and looks at what is left once it was replaced, within so many ms.
   * Answers its log line.
   */
  const replaceWorker = async (
    t: TestContext,
    limpet: LimpetProcess,
    most: number,
  ): Promise<Record<string, unknown>> => {
    const sessions = await Promise.all(Array.from({ length: CONNECTIONS }, () => begin(t, limpet.port)));
    assert.equal(await rows(limpet), CONNECTIONS);
    const began = performance.now();
    limpet.process.kill('SIGUSR2');
    // Its worker may have heard of it a moment later.
    for (let n = 0; n < 20; n++) await running(limpet);
    for (const { client, cookie } of sessions) send(client, cookie);
    // The supervisor comes upon a lock that is held again and again, as where a dashboard shows the sessions.
    let asks = true;
    const asking = (async () => {
      while (asks) await (await fetch(`${limpet.admin}/api/v1/sessions?limit=1000`)).text();
    })();
    const said = await limpet
      .logged(({ msg }) => /^worker uses CPU and makes no progress/.test(String(msg)), 60_000)
      .finally(() => {
        asks = false;
      });
    await asking;
    await limpet.logged(({ msg, worker }) => msg === 'worker is started again' && worker === 0);
    await eventually('both workers run', async () => (await running(limpet)) === 2, 30_000);
    const took = Math.round(performance.now() - began);
    t.diagnostic(`replaced after ${took} ms`);
    // A busy machine takes longer than the time of `watchdog`.
    assert.ok(took < most, `it took ${took} ms`);
    await eventually('each connection has its answer or has ended', () =>
      sessions.every(({ client }) => isWhole(client.text) || client.closed || client.ended),
    );
    const lived = sessions.filter(({ client }) => isWhole(client.text));
    assert.ok(lived.length > 0 && lived.length < CONNECTIONS, `${lived.length} of ${CONNECTIONS} connections lived on`);
    for (const { client, backend } of lived) assert.equal(backendIn(client.text), backend);
    assert.equal(await rows(limpet), CONNECTIONS, 'no row is lost');
    for (const { cookie, backend } of sessions) {
      const client = await RawClient.open(limpet.port);
      send(client, cookie);
      assert.equal(backendIn(await client.until(isWhole)), backend);
      client.close();
    }
    const metrics = await (await fetch(`${limpet.admin}/metrics`)).text();
    assert.match(metrics, /^limpet_watchdog_ended_workers_total 1$/m);
    assert.match(metrics, /^limpet_worker_restarts_total 1$/m);
    assert.doesNotMatch(metrics, /^limpet_requests_active\{[^}]*\} [1-9]/m);
    // The other clients have left, and those of the ended worker are not counted any more.
    for (const { client } of sessions) client.close();
    await eventually('no connection is counted', async () =>
      /^limpet_connections\{[^}]*\} 0$/m.test(await (await fetch(`${limpet.admin}/metrics`)).text()),
    );
    return said;
  };

  test('78: a worker that spins is ended and started again, with its stack in the log; the other one lives, and no row is lost', async (t) => {
    const { stack, worker } = await replaceWorker(t, await start(t, ''), 30_000);
    assert.equal(worker, 0);
    assert.match(String(stack), /^ {4}at .*spin-on-signal/);
  });

  for (const [lock, file, pool] of [
    ['a row', 'table/table', ''],
    ['the turns of a session', 'session-turns', ', session: { dialog: half-duplex }'],
    ['a rate limit', 'rate-table', ', rateLimit: { per: ip, rate: 10000/s }'],
  ] as const) {
    test(`78: the same of one that spins while it holds a lock of shared memory: ${lock}`, async (t) => {
      const { stack } = await replaceWorker(t, await start(t, 'watchdog: 3s\n', { SPIN_HOLDING: file }, pool), 15_000);
      assert.match(String(stack), /spin-on-signal/);
      assert.ok(String(stack).includes(file), String(stack));
    });
  }
});
