import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RedisServer } from '../support/redis.ts';

const PATIENCE = 30_000;
const SHORT = 5_000;

describe('users of sessions, two nodes of two workers each and a Redis', () => {
  let redis: RedisServer;
  let backend: HttpBackend;
  let nodes: LimpetProcess[] = [];
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'limpet-users-'));
    const secretFile = join(directory, 'secrets');
    await writeFile(secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    redis = await RedisServer.start();
    backend = await new HttpBackend('a', (request, response) => {
      const tells = request.headers['x-tell'];
      if (typeof tells === 'string') response.setHeader('Limpet-User', tells);
      request.resume();
      response.end(String(request.headers['limpet-session']));
    }).start();
    const pool = (name: string, perUser: string): string =>
      `  ${name}: { backends: [{ id: a, url: "${backend.url}" }], affinity: [{ by: cookie, name: ${name} }], session: { perUser: ${perUser} } }`;
    const yaml = [
      'workers: 2',
      'trustedProxies: [127.0.0.0/8]',
      `sessions: { secretFile: ${secretFile}, store: redis, redis: { url: "${redis.url}" } }`,
      'routes:',
      ...['end', 'refuse', 'asked'].map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
      'pools:',
      pool('end', '{ max: 3 }'),
      pool('refuse', '{ max: 3, whenFull: refuse }'),
      pool('asked', '{ max: 3, whenFull: refuse, header: X-User }'),
    ].join('\n');
    nodes = await Promise.all([startLimpetProcess(yaml), startLimpetProcess(yaml)]);
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await backend?.stop();
    await redis?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Cookies of those log-ins whose session is still the one that it was. */
  async function alive(path: string, logins: readonly { cookie: string; body: string }[]): Promise<number> {
    let count = 0;
    for (const { cookie, body } of logins) {
      // Of no user, so that looking changes nothing.
      const answer = await ask(`${nodes[0]!.url}${path}`, { headers: { cookie } });
      if (answer.body === body) count++;
    }
    return count;
  }

  const ready = () =>
    eventually(
      'Redis to be used',
      async () => {
        const all = await Promise.all(nodes.map((node) => ask(`${node.admin}/api/v1/status`)));
        return all.every(({ body }) => (JSON.parse(body) as { store: { up: boolean } }).store.up);
      },
      PATIENCE,
    );
  /** Another number when a breaker has tripped since. */
  const stamp = (): number =>
    nodes.reduce(
      (sum, { log }) =>
        sum + log.filter(({ msg }) => /^the shared session store (is down|does not)/.test(String(msg))).length,
      0,
    );

  for (const [path, header] of [
    ['/end', 'x-tell'],
    ['/refuse', 'x-tell'],
    ['/asked', 'x-user'],
  ] as const) {
    test(`40 log-ins of one user at the same moment over both nodes leave three sessions: ${path}`, async () => {
      for (let round = 0; ; round++) {
        await ready();
        const before = stamp();
        const answers = await Promise.all(
          Array.from({ length: 40 }, (_, n) =>
            ask(`${nodes[n % 2]!.url}${path}`, { headers: { [header]: `anna-${round}` } }),
          ),
        );
        const logins = answers.filter(({ status }) => status === 200);
        // What Redis says of a log-in comes true a moment after its response.
        let left = 0;
        const three = async () => (left = await alive(path, logins)) === 3;
        const good = await eventually('three to be left', three, SHORT).catch(() => false);
        // A machine that stood still tripped a breaker: then nodes decide alone, as they should. Once more.
        if (stamp() !== before && round < 8) continue;
        assert.ok(good, `${left} sessions of ${logins.length} log-ins are left`);
        if (path === '/asked') assert.equal(logins.length, 3);
        return;
      }
    });
  }

  test('a session that has ended on one node makes room on the other', async () => {
    await ready();
    const login = (n: number) => ask(`${nodes[n]!.url}/asked`, { headers: { 'x-user': 'bert' } });
    const first = await login(0);
    await login(0);
    assert.equal((await login(1)).status, 200);
    assert.deepEqual([(await login(1)).status, (await login(0)).status], [429, 429]);
    const gone = await ask(`${nodes[0]!.admin}/api/v1/sessions/${first.body}`, { method: 'DELETE' });
    assert.equal(gone.status, 204);
    await eventually('room', async () => (await login(1)).status === 200, PATIENCE);
  });

  test('the user of a session that another node has made', async () => {
    const made = await ask(`${nodes[0]!.url}/end`, { headers: { 'x-tell': 'carla' } });
    await eventually(
      'the other node to know it',
      async () => {
        await ask(`${nodes[1]!.url}/end`, { headers: { cookie: made.cookie } });
        const seen = await ask(`${nodes[1]!.admin}/api/v1/sessions/${made.body}`);
        return (JSON.parse(seen.body) as { user: string | null }).user === 'carla';
      },
      PATIENCE,
    );
  });

  test('without Redis each node counts by itself', async () => {
    await redis.stop();
    await nodes[0]!.logged(({ msg }) => msg === 'the shared session store is down', PATIENCE);
    const login = () => ask(`${nodes[0]!.url}/asked`, { headers: { 'x-user': 'dora' } });
    const statuses = [await login(), await login(), await login(), await login()].map(({ status }) => status);
    assert.deepEqual(statuses, [200, 200, 200, 429]);
  });
});
