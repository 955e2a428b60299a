import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { BackendProcess } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const told = ({ body }: Answered): string | undefined =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

const IDS = ['a', 'b', 'c'];
const POOLS = ['probed', 'plain', 'off'];

describe('a process of a backend that ends', () => {
  let backends: BackendProcess[];
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    backends = await Promise.all(IDS.map((id) => new BackendProcess(id).start()));
  });
  after(() => Promise.all(backends.map((backend) => backend.kill())));
  beforeEach(async () => {
    const members = backends.map(({ id, url }, at) => `{ id: ${id}, url: "${url}", replicas: [${IDS[(at + 1) % 3]}] }`);
    const pool = (more: string): string => `{ backends: [${members.join(', ')}], ${more} }`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        'routes:',
        ...POOLS.slice(1).map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
        '  - { pool: probed }',
        'pools:',
        `  probed: ${pool('health: { active: { interval: 200ms, timeout: 200ms } }, affinity: [{ by: cookie, name: probed }]')}`,
        `  plain: ${pool('affinity: [{ by: cookie, name: plain }]')}`,
        `  off: ${pool('health: { lifeline: off, active: { interval: 200ms, timeout: 200ms } }, affinity: [{ by: cookie, name: off }]')}`,
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
    for (const id of IDS)
      await eventually(`${id} to be up`, async () => (await admin.backend('probed', id)).health === 'up');
  });
  afterEach(() => limpet?.stop());

  const get = (path: string, cookie = ''): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? {} : { cookie } });
  const sessionOn = (id: string, path: string): Promise<string> =>
    eventually(`a session on ${id}`, async () => {
      const { backend, cookie } = await get(path);
      return backend === id ? cookie : null;
    });
  const life = async (pool: string, id: string): Promise<number> => (await admin.backend(pool, id)).life;

  for (const seconds of [0.3, 1, 6]) {
    for (const pool of ['probed', 'plain']) {
      test(`M1: idle sessions of one that is back after ${seconds} s move to the replica, ${pool}`, async () => {
        const [a] = backends;
        const idle = [];
        for (let i = 0; i < 4; i++) idle.push(await sessionOn('a', `/${pool}`));
        await a!.kill();
        await setTimeout(seconds * 1000);
        await a!.start();
        await eventually(`${pool} to see it`, async () => (await life(pool, 'a')) === 2);
        await sessionOn('a', `/${pool}`);
        for (const cookie of idle) {
          const answer = await get(`/${pool}`, cookie);
          assert.deepEqual([answer.backend, told(answer)], ['b', 'from=a; reason=backend-restarted']);
        }
        assert.equal(await life(pool, 'a'), 2);
      });
    }
  }
});
