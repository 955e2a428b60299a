import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as elapse } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { drop, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

/** A probe has a second: a machine that is busy with other tests takes its time to answer. */
const FAST = 'active: { interval: 1s, timeout: 1s, rise: 1, fall: 2 }';

/** What the backend was told of a request. */
function told(answer: Answered): Record<string, string | undefined> {
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers;
}

describe('health, admin states and weights', () => {
  /** Always there. */
  const [a, b, c] = ['a', 'b', 'c'].map((id) => new HttpBackend(id)) as [HttpBackend, HttpBackend, HttpBackend];
  /** One group for each test that takes its backends away or looks at their probes. */
  const group = (): [HttpBackend, HttpBackend, HttpBackend] =>
    ['a', 'b', 'c'].map((id) => new HttpBackend(id)) as [HttpBackend, HttpBackend, HttpBackend];
  const drained = group();
  const maintained = group();
  const counted = group();
  const silent = group();
  const ejected = group();
  const restarted = group();
  const slow = group();
  const backup = group();
  const panic = group();
  const groups = [[a, b, c], drained, maintained, counted, silent, ejected, restarted, slow, backup, panic];
  let processes: BackendProcess[];
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    for (const backend of groups.flat()) await backend.start();
    silent[0].health = 0;
    processes = await startBackends('a', 'b');
    const pools: string[] = [];
    const pool = (name: string, backends: { id: string; url: string }[], more: string, each: string[] = []): void => {
      const list = backends.map(({ id, url }, i) => `{ id: ${id}, url: "${url}"${each[i] ?? ''} }`).join(', ');
      pools.push(`  ${name}: { backends: [${list}], balance: round-robin, ${more} }`);
    };
    const key = 'affinity: [{ by: header, name: x-key }]';
    const passive = (failures: number, eject: string, most: string): string =>
      `passive: { failures: ${failures}, window: 10s, eject: ${eject}, maxEjected: ${most} }`;
    pool('drain', drained.slice(0, 2), `${key}, health: { ${FAST} }`);
    pool('maintenance', maintained.slice(0, 2), `${key}, health: { ${FAST}, ${passive(2, '10m', '50%')} }`);
    pool('counted', counted, 'affinity: [], health: { active: { interval: 900ms, timeout: 900ms, rise: 2, fall: 3 } }');
    pool('silent', [silent[0]], 'affinity: [], health: { active: { interval: 2s, timeout: 2s } }');
    pool('half', [a, b, c], `affinity: [], health: { ${passive(2, '10m', '50%')} }`);
    pool('all', [a, b, c], `affinity: [], health: { ${passive(2, '10m', '100%')} }`);
    pool('none', [a, b, c], `affinity: [], health: { ${passive(2, '10m', '30%')} }`);
    pool('ejected', ejected.slice(0, 2), `affinity: [], health: { ${passive(3, '4s', '50%')} }`);
    pool('restarted', restarted.slice(0, 2), `${key}, health: { ${FAST}, ${passive(2, '10m', '50%')} }`);
    pool('slow', slow.slice(0, 2), `affinity: [], health: { ${FAST}, passive: null, slowStart: 10s }`);
    pool('backup', backup, `${key}, health: { ${FAST}, passive: null }`, ['', '', ', backup: true']);
    pool('panic', panic.slice(0, 2), `${key}, health: { ${FAST}, passive: null, whenAllDown: try }`);
    pool('weights', [a, b, c], 'affinity: []');
    pool('zero', [a, b], key);
    pool('move', [a, b], 'affinity: [{ by: cookie }]');
    pool('stopped', processes, `${key}, health: { ${FAST}, passive: null }`);
    const names = pools.map((text) => text.trim().split(':')[0]!);
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        // What a request can provoke counts once for each address: clients of several are behind this one.
        'trustedProxies: ["127.0.0.0/8"]',
        'routes:',
        ...names.map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        'pools:',
        ...pools,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  beforeEach(() => {
    for (const backend of groups.flat()) backend.answer = echo;
  });
  after(async () => {
    for (const process of processes ?? []) process.signal('SIGCONT');
    await limpet?.stop();
    await Promise.all(groups.flat().map((backend) => backend.stop()));
    await Promise.all((processes ?? []).map((backend) => backend.kill()));
  });

  const get = (path: string, headers: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers });
  const health = async (pool: string, id: string): Promise<string> => (await admin.backend(pool, id)).health;
  const becomes = (pool: string, id: string, wanted: string): Promise<boolean> =>
    eventually(`${pool}/${id} to be ${wanted}`, async () => (await health(pool, id)) === wanted);
  /** How many of so many requests, one after the other, each backend got. */
  const shares = async (pool: string, requests: number): Promise<Record<string, number>> => {
    const counts: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let n = 0; n < requests; n++) {
      const answer = await get(`/${pool}`);
      assert.equal(answer.status, 200);
      counts[answer.backend]!++;
    }
    return counts;
  };
  let keys = 0;
  /** A new key that is bound to this backend. */
  const keyOn = async (pool: string, id: string): Promise<string> => {
    for (;;) {
      const key = `key-${keys++}`;
      if ((await get(`/${pool}`, { 'x-key': key })).backend === id) return key;
    }
  };

  test('41: a backend whose first probe has not ended is unknown, which is usable', async () => {
    await eventually('a probe', () => silent[0].probes.length > 0);
    assert.equal(await health('silent', 'a'), 'unknown');
    assert.equal((await get('/silent')).status, 200);
  });

  test('40: a backend is down after `fall` failed probes in a row and up after `rise` good ones', async () => {
    const [backend] = counted;
    const next = async (status: number, probes: number): Promise<void> => {
      backend.health = status;
      const until = backend.probes.length + probes;
      await eventually('the next probe', () => backend.probes.length >= until);
    };
    await becomes('counted', 'a', 'up');
    await next(503, 2);
    // A good one in between begins the count anew.
    await next(200, 1);
    await next(503, 2);
    assert.equal(await health('counted', 'a'), 'up');
    await next(503, 1);
    await becomes('counted', 'a', 'down');
    assert.equal((await shares('counted', 6)).a, 0);
    await next(200, 1);
    assert.equal(await health('counted', 'a'), 'down');
    await next(200, 1);
    await becomes('counted', 'a', 'up');
    const ofA = (msg: string, reason: string) =>
      limpet.logged(
        (line) => line.pool === 'counted' && line.backend === 'a' && line.msg === msg && line.reason === reason,
      );
    await ofA('backend is down', 'status 503');
    await ofA('backend is up', 'probe succeeded');
  });

  test('13, 39: drain: no new sessions, bound ones stay, probes go on', async () => {
    const [backend] = drained;
    const key = await keyOn('drain', 'a');
    await admin.patch('drain', 'a', { state: 'drain' });
    for (let n = 0; n < 8; n++) {
      assert.equal((await get('/drain', { 'x-key': key })).backend, 'a');
      assert.equal((await get('/drain', { 'x-key': `drain-${n}` })).backend, 'b');
    }
    const probes = backend.probes.length;
    await eventually('more probes', () => backend.probes.length >= probes + 3);
    const view = await admin.backend('drain', 'a');
    assert.deepEqual([view.state, view.health, view.sessions > 0], ['drain', 'up', true]);
    // Down is down: then the session moves all the same.
    backend.health = 503;
    await becomes('drain', 'a', 'down');
    assert.equal((await get('/drain', { 'x-key': key })).backend, 'b');
    backend.health = 200;
    await becomes('drain', 'a', 'up');
    await admin.patch('drain', 'a', { state: 'ready' });
    await keyOn('drain', 'a');
  });

  test('39: maintenance: sessions move at their next request, requests that wait go elsewhere, probes stop', async () => {
    const [backend] = maintained;
    const key = await keyOn('maintenance', 'a');
    await becomes('maintenance', 'a', 'up');
    const held: ServerResponse[] = [];
    const four = Promise.withResolvers<void>();
    backend.answer = (_request, response) => {
      if (held.push(response) === 4) four.resolve();
    };
    const waiting = [1, 2, 3, 4].map(() => get('/maintenance', { 'x-key': key }));
    await four.promise;
    const { failures } = await admin.backend('maintenance', 'a');
    await admin.patch('maintenance', 'a', { state: 'maintenance' });
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(({ status, backend: id }) => `${status} ${id}`),
      ['200 b', '200 b', '200 b', '200 b'],
    );
    // The first that is answered tells it; for those behind it the session has moved already.
    const moved = answers.map((answer) => told(answer)['limpet-session-moved']).filter((line) => line !== undefined);
    assert.ok(moved.length > 0 && moved.every((line) => line === 'from=a; reason=maintenance'), moved.join());
    assert.equal((await get('/maintenance', { 'x-key': key })).backend, 'b');
    await elapse(1_000);
    const probes = backend.probes.length;
    await elapse(2_000);
    assert.equal(backend.probes.length, probes, 'no probes');
    // The operator's wish is no failure of the backend: it is not ejected when it comes back.
    backend.answer = echo;
    assert.equal((await admin.backend('maintenance', 'a')).failures, failures);
    await admin.patch('maintenance', 'a', { state: 'ready' });
    await becomes('maintenance', 'a', 'up');
    await keyOn('maintenance', 'a');
    assert.equal((await get('/maintenance', { 'x-key': key })).backend, 'b', 'failback is never by default');
  });

  test('42: passive ejection takes out no more than maxEjected, and never the last one', async () => {
    for (const backend of [a, b, c]) backend.answer = drop;
    for (const [pool, most] of [
      ['half', 1],
      ['all', 2],
      ['none', 0],
    ] as const) {
      for (let n = 0; n < 20; n++) {
        const answer = await get(`/${pool}`, { 'x-forwarded-for': `192.0.2.${n}` });
        assert.deepEqual([answer.status, answer.code], [502, 'BACKEND_RESET']);
      }
      const down = (await Promise.all(['a', 'b', 'c'].map((id) => health(pool, id)))).filter((is) => is === 'down');
      assert.equal(down.length, most, pool);
    }
  });

  test('42: a backend that fails is ejected for its time, and is tried again after it', async () => {
    const [backend] = ejected;
    backend.answer = drop;
    for (let n = 0; n < 8; n++) {
      const answer = await get('/ejected', { 'x-forwarded-for': `192.0.2.${n}` });
      assert.equal(answer.status, 200, 'a retry hides it');
    }
    await becomes('ejected', 'a', 'down');
    const since = performance.now();
    backend.answer = echo;
    assert.deepEqual(await shares('ejected', 10), { a: 0, b: 10, c: 0 });
    await becomes('ejected', 'a', 'unknown');
    assert.ok(performance.now() - since > 2_000);
    assert.ok((await shares('ejected', 10)).a! >= 4);
  });

  test('42: an ejected backend that probes saw go down and come up again is back at once', async () => {
    const [backend] = restarted;
    const key = await keyOn('restarted', 'a');
    await becomes('restarted', 'a', 'up');
    const since = limpet.log.length;
    await backend.stop();
    const failed = Array.from({ length: 6 }, (_, n) =>
      ask(`${limpet.url}/restarted`, { headers: { 'x-key': `r-${n}` } }),
    );
    assert.ok((await Promise.all(failed)).every(({ status }) => status === 200));
    assert.equal((await get('/restarted', { 'x-key': key })).backend, 'b');
    await limpet.logged(
      (line) => line.msg === 'backend is down' && line.pool === 'restarted' && limpet.log.indexOf(line) >= since,
    );
    await backend.start();
    await becomes('restarted', 'a', 'up');
    await keyOn('restarted', 'a');
  });

  test('43: a backend that recovered comes to its share slowly, at the start it has it at once', async () => {
    const [, backend] = slow;
    // Each of the two workers takes turns on its own.
    const { b: half } = await shares('slow', 20);
    assert.ok(half! >= 8 && half! <= 12, `${half} of 20`);
    await backend.stop();
    await becomes('slow', 'b', 'down');
    await backend.start();
    await becomes('slow', 'b', 'up');
    const since = performance.now();
    const { b: few } = await shares('slow', 20);
    assert.ok(few! <= 6, `${few} of 20 at once`);
    await eventually('its full share', async () => (await shares('slow', 40)).b! >= 17);
    assert.ok(performance.now() - since > 1_500);
  });

  test('13: weight 0 by PATCH: no new sessions, bound ones stay', async () => {
    const key = await keyOn('zero', 'a');
    await admin.patch('zero', 'a', { weight: 0 });
    for (let n = 0; n < 8; n++) {
      assert.equal((await get('/zero', { 'x-key': key })).backend, 'a');
      assert.equal((await get('/zero', { 'x-key': `zero-${n}` })).backend, 'b');
    }
    await admin.patch('zero', 'a', { weight: 1 });
    await keyOn('zero', 'a');
  });

  test('14: weights by PATCH take effect for the next new session', async () => {
    const before = await shares('weights', 12);
    for (const id of ['a', 'b', 'c']) assert.ok(Math.abs(before[id]! - 4) <= 2, JSON.stringify(before));
    await admin.patch('weights', 'b', { weight: 8 });
    const { a: first, b: second, c: third } = await shares('weights', 40);
    assert.ok(second! >= 28 && first! >= 2 && third! >= 2, `${first} ${second} ${third}`);
  });

  test('a backup gets new sessions only while no other backend is available', async () => {
    const [first, second] = backup;
    const { a: some, c: none } = await shares('backup', 10);
    assert.ok(some! > 0 && none === 0);
    await first.stop();
    await becomes('backup', 'a', 'down');
    assert.equal((await shares('backup', 6)).c, 0);
    await second.stop();
    await becomes('backup', 'b', 'down');
    assert.deepEqual(await shares('backup', 6), { a: 0, b: 0, c: 6 });
    const key = await keyOn('backup', 'c');
    await first.start();
    await becomes('backup', 'a', 'up');
    assert.deepEqual(await shares('backup', 6), { a: 6, b: 0, c: 0 });
    assert.equal((await get('/backup', { 'x-key': key })).backend, 'c', 'its sessions stay');
  });

  test('36: whenAllDown try: all are used, and bound sessions stay where they are', async () => {
    const homes = { a: await keyOn('panic', 'a'), b: await keyOn('panic', 'b') };
    for (const backend of panic) backend.health = 503;
    await becomes('panic', 'a', 'down');
    await becomes('panic', 'b', 'down');
    for (let n = 0; n < 4; n++) {
      for (const [id, key] of Object.entries(homes)) assert.equal((await get('/panic', { 'x-key': key })).backend, id);
    }
    const { a: first, b: second } = await shares('panic', 10);
    assert.ok(first! > 0 && second! > 0);
    // Maintenance is the operator's word, and stronger.
    await admin.patch('panic', 'a', { state: 'maintenance' });
    assert.equal((await get('/panic', { 'x-key': homes.a })).backend, 'b');
  });

  test('a move by the operator is told to the application once, and the client gets a new cookie', async () => {
    let first = await get('/move');
    while (first.backend !== 'a') first = await get('/move');
    const key = told(first)['limpet-session']!;
    await admin.moveSession(key, 'b');
    const second = await get('/move/second', { cookie: first.cookie });
    assert.equal(second.backend, 'b');
    assert.equal(told(second)['limpet-session-moved'], 'from=a; reason=operator');
    assert.equal(told(second)['limpet-session'], key);
    assert.match(second.cookie, /^limpet=/);
    assert.notEqual(second.cookie, first.cookie);
    assert.equal((await limpet.logged((line) => line.path === '/move/second')).affinity, 'moved');
    for (const cookie of [second.cookie, first.cookie]) {
      const third = await get('/move/third', { cookie });
      assert.deepEqual([third.backend, told(third)['limpet-session-moved'], third.cookie], ['b', undefined, '']);
    }
    const [session] = (await admin.sessions('move')).filter((each) => each.key === key);
    assert.deepEqual([session?.backend, session?.moves], ['b', 1]);
    await limpet.logged((line) => line.msg === 'session moved by an operator' && line.key === key);
    assert.equal(
      await admin.metric('limpet_failovers_total', { pool: 'move', from: 'a', to: 'b', reason: 'operator' }),
      1,
    );
  });

  test('75: a backend that hangs: waiting GETs go elsewhere long before the response timeout, others are not delayed', async () => {
    const [hanging] = processes as [BackendProcess, BackendProcess];
    const onA = [await keyOn('stopped', 'a'), await keyOn('stopped', 'a')] as const;
    const onB = await keyOn('stopped', 'b');
    await becomes('stopped', 'a', 'up');
    hanging.signal('SIGSTOP');
    const started = performance.now();
    const waiting = get('/stopped/get', { 'x-key': onA[0] });
    const post = ask(`${limpet.url}/stopped/post`, { method: 'POST', body: 'order', headers: { 'x-key': onA[1] } });
    let answered = false;
    void waiting.then(() => {
      answered = true;
    });
    let slowest = 0;
    let others = 0;
    while (!answered || others < 20) {
      const at = performance.now();
      assert.equal((await get('/stopped', { 'x-key': onB })).backend, 'b');
      slowest = Math.max(slowest, performance.now() - at);
      others++;
    }
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.backend], [200, 'b']);
    assert.equal(told(answer)['limpet-session-moved'], 'from=a; reason=backend-down');
    const took = performance.now() - started;
    assert.ok(took < 30_000, `after ${Math.round(took)} ms of 60 s`);
    assert.ok(slowest < took / 2 + 1_000, `another request took ${Math.round(slowest)} ms`);
    // The POST may have been seen: it waits for its own backend, and is done once.
    hanging.signal('SIGCONT');
    assert.equal((await post).backend, 'a');
    await becomes('stopped', 'a', 'up');
    assert.equal((await get('/stopped', { 'x-key': onA[0] })).backend, 'b');
  });
});
