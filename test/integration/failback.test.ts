import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { drop, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

describe('failback', () => {
  let backends: HttpBackend[];
  let limpet: LimpetProcess;
  let admin: Admin;
  const stopped = new Set<string>();

  before(async () => {
    backends = await Promise.all(['a', 'b', 'c'].map((id) => new HttpBackend(id).start()));
  });
  after(() => Promise.all(backends.map((backend) => backend.stop())));
  beforeEach(async () => {
    const replicas: Record<string, string> = { a: 'b', b: 'c', c: 'a' };
    const members = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}", replicas: [${replicas[id]}] }`);
    const pool = (cookie: string, failback: string): string =>
      `{ backends: [${members.join(', ')}], affinity: [{ by: cookie, name: ${cookie} }], failover: { failback: ${failback} }, health: { active: { interval: 1s, timeout: 1s, rise: 1, fall: 2 }, slowStart: 60s } }`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'routes:',
        '  - { match: { path: /idle }, pool: idle }',
        '  - { match: { path: /never }, pool: never }',
        '  - { pool: shop }',
        'pools:',
        `  shop: ${pool('shop', 'immediate')}`,
        `  idle: ${pool('idle', 'when-idle')}`,
        `  never: ${pool('never', 'never')}`,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
    for (const name of ['shop', 'idle', 'never']) for (const id of ['a', 'b', 'c']) await health(name, id, 'up');
  });
  afterEach(async () => {
    await limpet?.stop();
    stopped.clear();
    for (const backend of backends) {
      await backend.stop();
      backend.answer = echo;
      backend.health = 200;
      backend.seen.length = 0;
      await backend.start();
    }
  });

  const get = (path: string, cookie = ''): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? {} : { cookie } });
  const told = ({ body }: Answered): string | undefined =>
    (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

  async function health(pool: string, id: string, wanted: string): Promise<void> {
    await eventually(
      `${pool}/${id} to be ${wanted}`,
      async () => (await admin.backend(pool, id)).health === wanted,
      30_000,
    );
  }

  /** The cookie of a session on a. */
  function sessionOnA(path: string): Promise<string> {
    return eventually('a session on a', async () => {
      const { backend, cookie } = await get(path);
      return backend === 'a' ? cookie : null;
    });
  }

  /**
   * Takes a backend out, and waits until limpet knows; and that it takes the others for up, which a machine that stood
   * still may have put in doubt.
   */
  async function stop(id: string, pool = 'shop'): Promise<void> {
    await backends.find((backend) => backend.id === id)!.stop();
    stopped.add(id);
    await health(pool, id, 'down');
    for (const other of backends) if (!stopped.has(other.id)) await health(pool, other.id, 'up');
  }

  /** Lets it come back, and waits until limpet knows. */
  async function start(id: string, pool = 'shop'): Promise<void> {
    await backends.find((backend) => backend.id === id)!.start();
    stopped.delete(id);
    await health(pool, id, 'up');
  }

  /** Several requests at once, each on a connection of its own: both workers get some. */
  async function settled(path: string, cookie: string, id: string): Promise<void> {
    const answers = await Promise.all(Array.from({ length: 12 }, () => get(path, cookie)));
    assert.deepEqual(new Set(answers.map(({ backend }) => backend)), new Set([id]));
    assert.deepEqual(new Set(answers.map(told)), new Set([undefined]), 'nothing more to tell');
  }

  test('immediate: a session goes back with its next request, once, and everybody is told (34)', async () => {
    const first = await sessionOnA('/');
    await stop('a');
    const away = await get('/', first);
    assert.deepEqual([away.backend, told(away)], ['b', 'from=a; reason=backend-down']);
    await settled('/', away.cookie, 'b');
    await start('a');
    const back = await get('/', away.cookie);
    assert.deepEqual([back.backend, told(back)], ['a', 'from=b; reason=failback']);
    assert.notEqual(back.cookie, '', 'the cookie names the backend that answered (3)');
    await settled('/', back.cookie, 'a');
    const labels = { pool: 'shop', from: 'b', to: 'a', reason: 'failback' };
    await eventually('the metric', async () => (await admin.metric('limpet_failovers_total', labels)) === 1);
    assert.equal(await admin.metric('limpet_affinity_total', { pool: 'shop', outcome: 'returned' }), 1);
    const line = await limpet.logged(({ msg, reason }) => msg === 'session moved' && reason === 'failback');
    assert.deepEqual([line.from, line.to], ['b', 'a']);

    // And again: it can leave once more.
    await stop('a');
    assert.equal((await get('/', back.cookie)).backend, 'b');
  });

  test('a session that moved twice goes back to the first backend', async () => {
    const cookie = await sessionOnA('/');
    await stop('a');
    assert.equal((await get('/', cookie)).backend, 'b');
    await stop('b');
    const third = await get('/', cookie);
    assert.deepEqual([third.backend, told(third)], ['c', 'from=b; reason=backend-down']);
    await start('b');
    await settled('/', cookie, 'c');
    await start('a');
    const back = await get('/', cookie);
    assert.deepEqual([back.backend, told(back)], ['a', 'from=c; reason=failback']);
  });

  test('from maintenance, too; but what an operator moved stays, and so does every session with never', async () => {
    const cookie = await sessionOnA('/');
    await admin.patch('shop', 'a', { state: 'maintenance' });
    const away = await get('/', cookie);
    assert.deepEqual([away.backend, told(away)], ['b', 'from=a; reason=maintenance']);
    await admin.patch('shop', 'a', { state: 'drain' });
    await settled('/', cookie, 'b');
    await admin.patch('shop', 'a', { state: 'ready' });
    assert.equal((await get('/', cookie)).backend, 'a');

    const session = (await admin.sessions('shop')).find(({ backend }) => backend === 'a')!;
    for (const { key } of (await admin.sessions('shop')).filter(({ backend }) => backend === 'a'))
      await admin.moveSession(key, 'c');
    assert.equal(session.backend, 'a');
    const put = await get('/', cookie);
    assert.deepEqual([put.backend, told(put)], ['c', 'from=a; reason=operator']);
    await settled('/', cookie, 'c');

    const never = await sessionOnA('/never');
    await stop('a', 'never');
    assert.equal((await get('/never', never)).backend, 'b');
    await start('a', 'never');
    await settled('/never', never, 'b');
  });

  test('a backend that is up and does not answer costs a request a second try, and the session stays where it is', async () => {
    const cookie = await sessionOnA('/');
    await stop('a');
    assert.equal((await get('/', cookie)).backend, 'b');
    backends[0]!.answer = drop;
    await start('a');
    backends[0]!.seen.length = 0;
    const answer = await get('/', cookie);
    assert.deepEqual([answer.status, answer.backend, told(answer)], [200, 'b', undefined]);
    assert.equal(backends[0]!.seen.length, 1, 'it was tried');
  });

  test('what is under way elsewhere when a session goes back ends there', async () => {
    const cookie = await sessionOnA('/');
    await stop('a');
    assert.equal((await get('/', cookie)).backend, 'b');
    let finish = (): void => {};
    backends[1]!.answer = (request, response, backend) => {
      if (request.url !== '/slow') return echo(request, response, backend);
      response.write('half');
      finish = () => response.end(' whole');
    };
    backends[1]!.seen.length = 0;
    const slow = get('/slow', cookie);
    await eventually('the slow request', () => backends[1]!.seen.length > 0);
    await start('a');
    assert.equal((await get('/', cookie)).backend, 'a');
    finish();
    const { backend, body } = await slow;
    assert.deepEqual([backend, body], ['b', 'half whole']);
    await settled('/', cookie, 'a');
  });

  test('when-idle: a session that is in use stays, one that was left alone for 30 s goes back', async () => {
    const cookie = await sessionOnA('/idle');
    await stop('a', 'idle');
    assert.equal((await get('/idle', cookie)).backend, 'b');
    await start('a', 'idle');
    await settled('/idle', cookie, 'b');
    // The wall clock of another process: nothing but time moves it.
    await new Promise((resolve) => setTimeout(resolve, 30_500));
    const back = await get('/idle', cookie);
    assert.deepEqual([back.backend, told(back)], ['a', 'from=b; reason=failback']);
  });
});
