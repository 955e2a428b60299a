import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const LONG = 30_000;

/** Two backends, each the other's replica, and what is called to let the requests for /held go on. */
async function start(
  t: TestContext,
): Promise<{ limpet: LimpetProcess; a: HttpBackend; b: HttpBackend; release: () => void }> {
  const held = Promise.withResolvers<void>();
  const answer: typeof echo = (request, response, backend) => {
    if (request.url !== '/held') return echo(request, response, backend);
    void held.promise.then(() => echo(request, response, backend));
  };
  const [a, b] = await Promise.all([new HttpBackend('a', answer).start(), new HttpBackend('b', answer).start()]);
  t.after(() => Promise.all([a.stop(), b.stop()]));
  const limpet = await startLimpetProcess(
    `pools: { shop: { balance: round-robin, backends: [
      { id: a, url: "${a.url}", replicas: [b] }, { id: b, url: "${b.url}", replicas: [a] } ] } }\nworkers: 2\n`,
  );
  t.after(limpet.stop);
  return { limpet, a, b, release: held.resolve };
}

/** Cookies of so many new sessions on each backend. */
async function sessions(limpet: LimpetProcess, count: number): Promise<{ a: string[]; b: string[] }> {
  const found = { a: [] as string[], b: [] as string[] };
  while (found.a.length < count || found.b.length < count) {
    const { backend, cookie } = await ask(limpet.url);
    found[backend as 'a' | 'b'].push(cookie);
  }
  return found;
}

test('drain --wait --deadline: no new sessions, then the rest moves, requests under way end where they began (13)', async (t) => {
  const { limpet, a, b, release } = await start(t);
  const admin = new Admin(limpet.admin);
  const cookies = await sessions(limpet, 20);
  const under = ask(`${limpet.url}/held`, { headers: { cookie: cookies.a[0]! } });
  await eventually('the request to be under way', () => a.seen.some(({ path }) => path === '/held'), LONG);

  const drained = runLimpet([
    'backends',
    'drain',
    'shop/a',
    '--wait',
    '--deadline',
    '2s',
    '--json',
    '--admin',
    limpet.admin,
  ]);
  await eventually('the drain', async () => (await admin.backend('shop', 'a')).state === 'drain', LONG);
  // Whoever comes now is new, and gets the other one; whoever was there stays.
  for (let i = 0; i < 10; i++) assert.equal((await ask(limpet.url)).backend, 'b');

  const evacuated = await limpet.logged(({ msg }) => /sessions.*moved|evacuated/.test(String(msg)), LONG);
  assert.deepEqual(
    [evacuated.pool, evacuated.backend, evacuated.moved, evacuated.stayed],
    ['shop', 'a', cookies.a.length, 0],
  );
  for (const [nth, cookie] of cookies.a.entries()) {
    if (nth === 0) continue;
    const answer = await ask(limpet.url, { headers: { cookie } });
    assert.deepEqual([answer.status, answer.backend], [200, 'b']);
    assert.equal(b.seen.at(-1)!.headers['limpet-session-moved'], 'from=a; reason=drain');
  }
  const moves = () => admin.metric('limpet_failovers_total', { from: 'a', to: 'b', reason: 'drain' });
  await eventually('the count of moves', async () => (await moves()) === cookies.a.length);

  release();
  const answer = await under;
  assert.deepEqual([answer.status, answer.backend], [200, 'a']);
  const { status, stdout, stderr } = await drained;
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  const { drained: over, sessions: left, activeRequests, moved } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual([over, left, activeRequests, moved], [true, 0, 0, cookies.a.length]);
});

test('without a deadline a drain waits for the last session, and shows what is left', async (t) => {
  const { limpet } = await start(t);
  const admin = new Admin(limpet.admin);
  const cookies = await sessions(limpet, 3);
  const drained = runLimpet(['backends', 'drain', 'shop/a', '--wait', '--admin', limpet.admin]);
  await eventually('the drain', async () => (await admin.backend('shop', 'a')).state === 'drain', LONG);
  for (const cookie of cookies.a) assert.equal((await ask(limpet.url, { headers: { cookie } })).backend, 'a');
  for (const { key, backend } of await admin.sessions('shop')) if (backend === 'a') await admin.endSession(key);
  const { status, stdout } = await drained;
  assert.equal(status, 0);
  assert.match(stdout, /shop\/a has drained: no session and no request is left\n$/);
});
