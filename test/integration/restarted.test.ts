import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { drop, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

/** Cookies may be that much older than a life by the clock of another machine. */
const SKEW_MS = 2_000;

const told = ({ body }: Answered): string | undefined =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

describe('a backend that was restarted', () => {
  let backends: HttpBackend[];
  let directory: string;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    backends = await Promise.all(['a', 'b', 'c'].map((id) => new HttpBackend(id).start()));
    directory = await mkdtemp(join(tmpdir(), 'limpet-test-'));
    await writeFile(join(directory, 'secret.txt'), `${'0123456789abcdef'.repeat(4)}\n`);
  });
  after(async () => {
    await Promise.all(backends.map((backend) => backend.stop()));
    await rm(directory, { recursive: true });
  });
  const start = (): Promise<LimpetProcess> => {
    const replicas: Record<string, string> = { a: 'b', b: 'c', c: 'a' };
    const members = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}", replicas: [${replicas[id]}] }`);
    const pool = (more: string): string =>
      `{ backends: [${members.join(', ')}], health: { active: { interval: 500ms, timeout: 500ms } }, ${more} }`;
    return startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        `sessions: { secretFile: ${join(directory, 'secret.txt')} }`,
        'routes:',
        '  - { match: { path: /stay }, pool: stay }',
        '  - { match: { path: /reject }, pool: reject }',
        '  - { match: { path: /header }, pool: header }',
        '  - { pool: shop }',
        'pools:',
        `  shop: ${pool('affinity: [{ by: cookie, name: shop }]')}`,
        `  stay: ${pool('affinity: [{ by: cookie, name: stay }], failover: { restarted: stay }')}`,
        `  reject: ${pool('affinity: [{ by: cookie, name: reject }], failover: { onLost: reject }')}`,
        `  header: ${pool('affinity: [{ by: header, name: x-session }]')}`,
      ].join('\n'),
    );
  };
  beforeEach(async () => {
    limpet = await start();
    admin = new Admin(limpet.admin);
    for (const pool of ['shop', 'stay', 'reject', 'header'])
      for (const { id } of backends) await eventually(`${pool}/${id} to be up`, () => isUp(pool, id));
  });
  afterEach(async () => {
    await limpet?.stop();
    for (const backend of backends) backend.answer = echo;
  });

  const isUp = async (pool: string, id: string): Promise<boolean> => (await admin.backend(pool, id)).health === 'up';
  const get = (path: string, cookie = '', headers = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? headers : { cookie } });
  /** The cookie of a session on this backend. */
  const sessionOn = (id: string, path = '/'): Promise<string> =>
    eventually(`a session on ${id}`, async () => {
      const { backend, cookie } = await get(path);
      return backend === id ? cookie : null;
    });
  const nextMillisecond = async (): Promise<void> => {
    for (const now = Date.now(); Date.now() === now; ) await setTimeout(1);
  };
  async function restart(id: string, pool = 'shop'): Promise<void> {
    await nextMillisecond();
    await admin.restarted(pool, id);
    await nextMillisecond();
    // Until its new life has answered it is a backend that is down.
    await eventually(
      `${id} to answer`,
      async () => (await admin.metric('limpet_backend_up', { pool, backend: id })) === 1,
    );
  }

  test('M1, 114: its idle sessions move to their replica, told once; new ones stay with it', async () => {
    const idle = await Promise.all(Array.from({ length: 8 }, () => sessionOn('a')));
    const elsewhere = await sessionOn('b');
    await restart('a');
    assert.equal((await admin.backend('shop', 'a')).life, 2);
    assert.ok(Date.now() - Date.parse((await admin.backend('shop', 'a')).lifeBegan ?? '') < 60_000);
    // The first answer of its new life.
    const fresh = await sessionOn('a');
    for (const cookie of idle) {
      const answers = await Promise.all(Array.from({ length: 3 }, () => get('/', cookie)));
      assert.deepEqual(new Set(answers.map(({ backend }) => backend)), new Set(['b']));
      const reasons = answers.map(told).filter((one) => one !== undefined);
      assert.ok(reasons.length > 0);
      for (const reason of reasons) assert.equal(reason, 'from=a; reason=backend-restarted');
      const next = await get('/', cookie);
      assert.deepEqual([next.backend, told(next)], ['b', undefined], 'it is told no more');
    }
    for (const [cookie, id] of [
      [fresh, 'a'],
      [elsewhere, 'b'],
    ] as const) {
      const answer = await get('/', cookie);
      assert.deepEqual([answer.backend, told(answer)], [id, undefined]);
    }
    await eventually('all moves to be counted', async () => {
      return (
        (await admin.metric('limpet_failovers_total', { pool: 'shop', reason: 'backend-restarted' })) >= idle.length
      );
    });
    assert.equal(await admin.metric('limpet_backend_life', { pool: 'shop', backend: 'a' }), 2);
  });

  test('M1, 114: of three that were restarted in turn nobody moves to a server that knows nothing', async () => {
    const sessions = await Promise.all(['a', 'b', 'c'].map(async (id) => ({ id, cookie: await sessionOn(id) })));
    for (const id of ['a', 'b', 'c']) await restart(id);
    for (const { id } of sessions) await sessionOn(id);
    for (let round = 0; round < 3; round++) {
      for (const { id, cookie } of sessions) {
        const answer = await get('/', cookie);
        assert.deepEqual([answer.backend, told(answer)], [id, undefined]);
      }
    }
    // They are of the new lives: one that ends after that is a reason to move.
    await restart('b');
    await sessionOn('b');
    const answer = await get('/', sessions[1]!.cookie);
    assert.deepEqual([answer.backend, told(answer)], ['c', 'from=b; reason=backend-restarted']);
  });

  test('M1, 114: a replica that was restarted before the session was last seen has its state', async () => {
    const cookie = await sessionOn('a');
    await restart('b');
    assert.equal((await get('/', cookie)).backend, 'a');
    await restart('a');
    await sessionOn('a');
    assert.equal((await get('/', cookie)).backend, 'b');
  });

  test('M1, 114: with restarted: stay nobody moves', async () => {
    const cookie = await sessionOn('a', '/stay');
    await restart('a', 'stay');
    await sessionOn('a', '/stay');
    for (let nth = 0; nth < 3; nth++) {
      const answer = await get('/stay', cookie);
      assert.deepEqual([answer.backend, told(answer)], ['a', undefined]);
    }
  });

  test('M1, 114: with onLost: reject a session that nobody has any more ends', async () => {
    const kept = await sessionOn('a', '/reject');
    const lost = await sessionOn('b', '/reject');
    for (const id of ['c', 'b', 'a']) await restart(id, 'reject');
    await sessionOn('b', '/reject');
    const answer = await get('/reject', lost);
    assert.deepEqual([answer.status, answer.code], [503, 'SESSION_LOST']);
    assert.equal((await get('/reject', kept)).code, 'SESSION_LOST');
  });

  test('M1, 114: a session of a key that the client brings moves as well', async () => {
    const onA: string[] = [];
    for (let nth = 0; onA.length < 3; nth++)
      if ((await get('/header', '', { 'x-session': `s${nth}` })).backend === 'a') onA.push(`s${nth}`);
    await restart('a', 'header');
    for (let nth = 0; (await get('/header', '', { 'x-session': `t${nth}` })).backend !== 'a'; nth++);
    for (const key of onA) {
      const answer = await get('/header', '', { 'x-session': key });
      assert.deepEqual([answer.backend, told(answer)], ['b', 'from=a; reason=backend-restarted']);
    }
  });

  test('M1, 114: a replica that fails once loses nothing: the session moves there with a later request', async () => {
    const cookie = await sessionOn('a');
    await restart('a');
    await sessionOn('a');
    const [, b] = backends;
    b!.answer = drop;
    const first = await get('/', cookie);
    assert.deepEqual([first.backend, told(first)], ['a', undefined]);
    b!.answer = echo;
    const second = await get('/', cookie);
    assert.deepEqual([second.backend, told(second)], ['b', 'from=a; reason=backend-restarted']);
  });

  test('M1, 114: a cookie without a row was bound to an earlier life if it is older than this one', async () => {
    const old = await sessionOn('a');
    await setTimeout(SKEW_MS + 100);
    await limpet.stop();
    limpet = await start();
    admin = new Admin(limpet.admin);
    for (const { id } of backends) await eventually(`${id} to be up`, () => isUp('shop', id));
    await restart('a');
    await sessionOn('a');
    const answer = await get('/', old);
    assert.deepEqual([answer.backend, told(answer)], ['b', 'from=a; reason=backend-restarted']);
    const next = await get('/', answer.cookie);
    assert.deepEqual([next.backend, told(next)], ['b', undefined]);
  });

  test('M1, 114: simulate says who would move before a server is restarted', async () => {
    const cookie = await sessionOn('a');
    const other = await sessionOn('a', '/stay');
    const simulate = async (restarted: string): Promise<unknown> => {
      const response = await fetch(`${limpet.admin}/api/v1/simulate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ restarted }),
      });
      assert.equal(response.status, 200);
      const { moves } = (await response.json()) as { moves: { to: string; reason: string; when: string }[] };
      return moves.map(({ to, reason, when }) => ({ to, reason, when }));
    };
    assert.deepEqual(await simulate('shop/a'), [{ to: 'b', reason: 'backend-restarted', when: 'now' }]);
    assert.deepEqual(await simulate('stay/a'), []);
    await restart('b');
    assert.deepEqual(await simulate('shop/a'), [], 'b has lost its copies: who is on a would stay');
    assert.equal((await get('/', cookie)).backend, 'a');
    assert.equal((await get('/stay', other)).backend, 'a');
    assert.deepEqual(await simulate('shop/a'), [{ to: 'b', reason: 'backend-restarted', when: 'now' }]);
  });

  test('M1, 114: explain says why, the event stream and the log that it was restarted', async () => {
    const cookie = await sessionOn('a');
    await restart('a');
    await sessionOn('a');
    const response = await fetch(`${limpet.admin}/api/v1/explain`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url: `${limpet.url}/`, headers: { cookie } }),
    });
    const { backend, outcome, steps } = (await response.json()) as {
      backend: string;
      outcome: string;
      steps: { step: string; detail: string }[];
    };
    assert.deepEqual([backend, outcome], ['b', 'moved']);
    const { detail } = steps.find(({ step }) => step === 'backend')!;
    assert.match(detail, /^Its backend a was restarted \(.*Z\), .*so it moves \(backend-restarted\) to b, a replica/);
    await limpet.logged(
      ({ msg, backend: id, sign }) => /restarted/.test(String(msg)) && id === 'a' && sign === 'operator',
    );
    assert.equal(await admin.metric('limpet_backend_restarts_total', { backend: 'a', sign: 'operator' }), 1);
    const events = await fetch(`${limpet.admin}/api/v1/events?recent=50`);
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!/event: backend-restarted\ndata: \{.*"backend":"a","sign":"operator","count":1/.test(text)) {
      const { value, done } = await reader.read();
      assert.equal(done, false, text);
      text += value;
    }
    await reader.cancel();
  });
});
