import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { BackendProcess } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const told = ({ body }: Answered): string | undefined =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

const PRELOAD = new URL('../support/crash-on-signal.ts', import.meta.url).href;
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
        `  probed: ${pool('health: { active: { interval: 500ms, timeout: 500ms } }, affinity: [{ by: cookie, name: probed }]')}`,
        `  plain: ${pool('affinity: [{ by: cookie, name: plain }]')}`,
        `  off: ${pool('health: { lifeline: off, active: { interval: 500ms, timeout: 500ms } }, affinity: [{ by: cookie, name: off }]')}`,
      ].join('\n'),
      { env: { NODE_OPTIONS: `--import=${PRELOAD}` } },
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
    test(`M1: idle sessions of one that is back after ${seconds} s move to the replica`, async () => {
      const [a] = backends;
      // Without a lifeline only probes look, now and then.
      const pools = seconds < 1 ? ['probed', 'plain'] : POOLS;
      const idle = [];
      for (const pool of pools)
        for (let i = 0; i < 4; i++) idle.push({ pool, cookie: await sessionOn('a', `/${pool}`) });
      await a!.kill();
      await setTimeout(seconds * 1000);
      await a!.start();
      for (const pool of pools) {
        await eventually(`${pool} to see it`, async () => (await life(pool, 'a')) === 2);
        await sessionOn('a', `/${pool}`);
      }
      for (const { pool, cookie } of idle) {
        const answer = await get(`/${pool}`, cookie);
        assert.deepEqual([answer.backend, told(answer)], ['b', 'from=a; reason=backend-restarted'], pool);
      }
      for (const pool of pools) assert.equal(await life(pool, 'a'), 2);
    });
  }

  test('M1: one that only does not answer keeps its life, and its idle sessions', async () => {
    const [a] = backends;
    const idle = new Map<string, string>();
    for (const pool of POOLS) idle.set(pool, await sessionOn('a', `/${pool}`));
    const asks = await sessionOn('a', '/probed');
    a!.signal('SIGSTOP');
    await eventually('it to be down', async () => (await admin.backend('probed', 'a')).health === 'down');
    const away = await get('/probed', asks);
    assert.deepEqual([away.backend, told(away)], ['b', 'from=a; reason=backend-down']);
    // Longer than connections are kept idle, and than a suspicion lasts.
    await setTimeout(5_000);
    a!.signal('SIGCONT');
    for (const pool of POOLS)
      await eventually(`${pool}/a to be well`, async () => (await admin.backend(pool, 'a')).health !== 'down');
    for (const [pool, cookie] of idle) {
      const answer = await get(`/${pool}`, cookie);
      assert.deepEqual([answer.backend, told(answer), await life(pool, 'a')], ['a', undefined, 1], pool);
    }
  });

  test('M1: a worker that ends takes connections along, and is no sign', async () => {
    const idle = await sessionOn('a', '/plain');
    for (let i = 0; i < 8; i++) await get('/plain');
    const restarted = limpet.logged(({ msg }) => msg === 'worker is started again');
    limpet.process.kill('SIGUSR2');
    await restarted;
    assert.equal((await get('/plain', idle)).backend, 'a');
    for (const pool of POOLS) for (const id of IDS) assert.equal(await life(pool, id), 1);
    // And the next end is seen as before.
    await backends[0]!.kill();
    await backends[0]!.start();
    await eventually('plain to see it', async () => (await life('plain', 'a')) === 2);
  });
});

/** Passes bytes on to a server, until it is cut: then it swallows them and what connects, and refuses nothing. */
class Cable {
  port = 0;
  #cut = false;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(port: () => number) {
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      this.#add(near);
      if (this.#cut) return;
      const far = connect({ port: port(), host: '127.0.0.1', allowHalfOpen: true });
      this.#add(far);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', (bytes) => void (this.#cut || to.write(bytes)));
        from.on('end', () => void (this.#cut || to.end()));
        from.on('close', () => void (this.#cut || to.destroy()));
      }
    });
  }

  #add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
  }

  async start(): Promise<this> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  cut(on: boolean): void {
    this.#cut = on;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

test('M1: a network that is cut moves no idle session', async (t) => {
  const backend = await new BackendProcess('a').start();
  const other = await new BackendProcess('b').start();
  const cable = await new Cable(() => backend.port).start();
  t.after(async () => {
    await limpet.stop();
    cable.stop();
    await Promise.all([backend.kill(), other.kill()]);
  });
  const members = `[{ id: a, url: "http://127.0.0.1:${cable.port}", replicas: [b] }, { id: b, url: "${other.url}", weight: 0 }]`;
  const limpet = await startLimpetProcess(
    [
      'workers: 2',
      'log: { access: false }',
      'routes: [{ match: { path: /plain }, pool: plain }, { pool: probed }]',
      'pools:',
      `  plain: { backends: ${members}, affinity: [{ by: cookie, name: plain }], timeouts: { response: 500ms } }`,
      `  probed: { backends: ${members}, affinity: [{ by: cookie, name: probed }], health: { active: { interval: 500ms, timeout: 500ms } } }`,
    ].join('\n'),
  );
  const admin = new Admin(limpet.admin);
  const health = (wanted: string): Promise<unknown> =>
    eventually(`a to be ${wanted}`, async () => (await admin.backend('probed', 'a')).health === wanted);
  await health('up');
  const sessions = [];
  for (const path of ['/plain', '/probed']) sessions.push({ path, cookie: (await ask(limpet.url + path)).cookie });
  cable.cut(true);
  await health('down');
  // A request that is never answered, and the end of every connection by limpet's own timeouts.
  await ask(`${limpet.url}/plain`);
  await setTimeout(5_000);
  cable.cut(false);
  await health('up');
  for (const { path, cookie } of sessions) {
    const answer = await ask(limpet.url + path, { headers: { cookie } });
    assert.deepEqual([answer.backend, told(answer)], ['a', undefined], path);
  }
  for (const pool of ['plain', 'probed']) assert.equal((await admin.backend(pool, 'a')).life, 1);
});
