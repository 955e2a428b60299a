import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BackendProcess, startBackends } from '../support/backends.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { Load, type LoadAnswer } from '../support/load.ts';

const CLIENTS = 120;

interface SessionView {
  readonly key: string;
  readonly backend: string;
  readonly moves: number;
}

describe('a backend that is killed under load', () => {
  let backends: BackendProcess[];
  let limpet: LimpetProcess;

  before(async () => {
    backends = await startBackends('a', 'b', 'c');
    // Two replicas, so that the sessions of b are shared, and every worker has to share them alike (behaviour 33).
    const replicas: Record<string, string> = { a: 'b', b: 'a, c', c: 'a' };
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'pools:',
        '  shop:',
        '    balance: round-robin',
        '    backends:',
        ...backends.map(({ id, url }) => `      - { id: ${id}, url: "${url}", replicas: [${replicas[id]}] }`),
        '    health: { active: { path: /healthz, interval: 1s, timeout: 1s, rise: 1, fall: 4 } }',
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all((backends ?? []).map((backend) => backend.kill()));
  });

  async function sessions(): Promise<Map<string, SessionView>> {
    const response = await fetch(`${limpet.admin}/api/v1/sessions?limit=1000`);
    const body = (await response.json()) as { sessions: SessionView[] };
    return new Map(body.sessions.map((session) => [session.key, session]));
  }

  test('27, 28, 30, 33, 34: no error for what may be retried, sessions on the replica by their next request, and there they stay', async () => {
    const answers: LoadAnswer[] = [];
    const homes: string[] = new Array<string>(CLIENTS).fill('');
    const body = Buffer.alloc(65_536, 'x');
    let killed = false;
    const wrong: string[] = [];
    const load = new Load({
      url: limpet.url,
      clients: CLIENTS,
      rate: 2_000,
      // Half GETs, half POSTs from 0 to 64 KiB.
      next: (client, nth) =>
        nth > 0 && (client + nth) % 2 === 0
          ? { method: 'POST', body: body.subarray(0, ((client * 31 + nth * 997) % 65) * 1024) }
          : { method: 'GET', body: null },
      onAnswer: (answer) => {
        answers.push(answer);
        if (answer.status === 200 && answer.error === '') {
          const home = homes[answer.client]!;
          if (home === '') homes[answer.client] = answer.backend;
          else if (home !== answer.backend) {
            if (!killed || home !== 'b') wrong.push(`client ${answer.client} went from ${home} to ${answer.backend}`);
            homes[answer.client] = answer.backend;
          }
          return;
        }
        // A POST that may have reached the dead backend must not be sent twice: its 502 is right (behaviour 28).
        if (killed && answer.method === 'POST' && answer.status === 502 && answer.code === 'BACKEND_RESET') return;
        wrong.push(`${answer.method} got ${answer.status} ${answer.code} ${answer.error}`);
      },
    });
    await Promise.all(homes.map((_, client) => load.send(client)));
    const before = await sessions();
    const ofB = [...before.values()].filter(({ backend }) => backend === 'b').map(({ key }) => key);
    assert.equal(before.size, CLIENTS);
    assert.ok(ofB.length > CLIENTS / 5, `b holds ${ofB.length} sessions`);

    load.start();
    const target = (n: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setInterval(() => {
        if (answers.length < n) return;
        clearInterval(timer);
        resolve();
      }, 5);
      return promise;
    };
    await target(2_000);
    killed = true;
    await backends[1]!.kill();
    await target(answers.length + 4_000);
    await load.stop();
    assert.deepEqual(wrong, []);
    assert.ok(
      homes.every((home) => home === 'a' || home === 'c'),
      'no session is left on the dead backend',
    );
    const posts = answers.filter(({ status }) => status === 502).length;
    // Each client has one request at a time, and its session moves with the first that fails.
    assert.ok(posts <= ofB.length, `${posts} POSTs were cut off in the instant of the kill, of ${ofB.length} sessions`);

    // What the table says is where the sessions really are; both replicas have a share of them.
    const after = await sessions();
    const targets = ofB.map((key) => after.get(key)!.backend);
    assert.ok(targets.every((backend) => backend === 'a' || backend === 'c'));
    assert.ok(targets.includes('a') && targets.includes('c'), 'two replicas share the sessions by rendezvous hash');
    assert.ok(
      ofB.every((key) => after.get(key)!.moves === 1),
      'each moved once: all workers picked the same replica',
    );
    for (const [key, { backend }] of before)
      if (backend !== 'b') assert.equal(after.get(key)!.backend, backend, 'the others stayed');

    // It comes back, and nothing goes back to it (failback never).
    await backends[1]!.start();
    await limpet.logged(
      (line) =>
        line.msg === 'backend is up' &&
        line.backend === 'b' &&
        line.reason !== undefined &&
        limpet.log.indexOf(line) > limpet.log.findIndex((other) => other.msg === 'backend is down'),
    );
    const settled = [...homes];
    await Promise.all(homes.map((_, client) => load.send(client)));
    assert.deepEqual(homes, settled);
    assert.deepEqual(wrong, []);
    load.close();

    const moved = limpet.log.filter((line) => line.msg === 'session moved');
    assert.equal(moved.length, ofB.length, 'each move is logged once');
    assert.ok(
      moved.every((line) => line.from === 'b' && line.reason === 'backend-down' && typeof line.session === 'string'),
    );
    const metrics = await (await fetch(`${limpet.admin}/metrics`)).text();
    const total = [...metrics.matchAll(/^limpet_failovers_total\{[^}]*from="b"[^}]*\} (\d+)$/gm)].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
    assert.equal(total, ofB.length);
  });

  test('3, 34: the request that moves a session tells the application once, and the client gets a new cookie', async () => {
    const [a, b] = backends as [BackendProcess, BackendProcess, BackendProcess];
    let answer = await fetch(limpet.url);
    for (let tries = 0; tries < 100 && answer.headers.get('x-backend') !== 'b'; tries++)
      answer = await fetch(limpet.url);
    assert.equal(answer.headers.get('x-backend'), 'b');
    const cookie = answer.headers.getSetCookie()[0]!.split(';')[0]!;
    await b.kill();
    const first = await fetch(limpet.url, { headers: { cookie } });
    assert.equal(first.status, 200);
    const told = (await first.json()) as { id: string; headers: Record<string, string> };
    assert.ok(told.id === 'a' || told.id === 'c');
    assert.equal(told.headers['limpet-session-moved'], 'from=b; reason=backend-down');
    const renewed = first.headers.getSetCookie();
    assert.equal(renewed.length, 1);
    const second = (await (await fetch(limpet.url, { headers: { cookie: renewed[0]!.split(';')[0]! } })).json()) as {
      id: string;
      headers: Record<string, string>;
    };
    assert.equal(second.id, told.id);
    assert.equal(second.headers['limpet-session-moved'], undefined, 'told once');
    assert.notEqual(a, undefined);
  });
});
