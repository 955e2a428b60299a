import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { BackendProcess } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RedisServer } from '../support/redis.ts';

const IDS = ['a', 'b', 'c'];
const LONG = 30_000;

const told = ({ body }: Answered): string | undefined =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

/** What stands between a node and a backend: it can refuse what comes while the backend is well. */
class Wall {
  readonly #to: number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  port = 0;

  constructor(to: number) {
    this.#to = to;
  }

  async open(): Promise<this> {
    const server = createServer((socket) => {
      const inner = connect(this.#to, '127.0.0.1');
      for (const one of [socket, inner]) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.once('close', () => this.#sockets.delete(one));
      }
      socket.pipe(inner).pipe(socket);
    });
    // Of nobody else when it is closed.
    this.port = await freePort();
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.#server = server;
    return this;
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('two nodes that share a Redis, and a backend that was restarted', () => {
  let redis: RedisServer;
  let backends: BackendProcess[];
  let directory: string;
  let nodes: LimpetProcess[] = [];
  let round = 0;

  before(async () => {
    redis = await RedisServer.start();
    backends = await Promise.all(IDS.map((id) => new BackendProcess(id).start()));
    directory = await mkdtemp(join(tmpdir(), 'limpet-restarts-'));
    await writeFile(join(directory, 'secret'), `${'0123456789abcdef'.repeat(4)}\n`);
  });
  after(async () => {
    await Promise.all(backends.map((backend) => backend.kill()));
    await redis.stop();
    await rm(directory, { recursive: true });
  });
  afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())));

  /** @param urls of backend a, as each node knows it */
  async function start(urls = [backends[0]!.url, backends[0]!.url]): Promise<void> {
    round++;
    nodes = await Promise.all(urls.map(startNode));
    for (const node of nodes)
      for (const id of IDS)
        await eventually(`${id} to be up`, async () => (await admin(node).backend('shop', id)).health === 'up', LONG);
  }

  function startNode(first: string): Promise<LimpetProcess> {
    const members = backends.map(
      ({ id, url }, at) => `{ id: ${id}, url: "${at === 0 ? first : url}", replicas: [${IDS[(at + 1) % 3]}] }`,
    );
    const pool = (affinity: string): string =>
      `{ backends: [${members.join(', ')}], affinity: [${affinity}], health: { active: { interval: 600ms, timeout: 600ms } } }`;
    return startLimpetProcess(
      [
        'workers: 2',
        'log: { access: false }',
        `sessions: { store: redis, redis: { url: "${redis.url}", prefix: "r${round}:" }, secretFile: ${join(directory, 'secret')} }`,
        'routes: [{ match: { path: /own }, pool: own }, { pool: shop }]',
        'pools:',
        `  own: ${pool('{ by: cookie }')}`,
        `  shop: ${pool('{ by: header, name: X-Session }')}`,
      ].join('\n'),
    );
  }

  const admin = (node: LimpetProcess): Admin => new Admin(node.admin);
  const lives = (pool: string): Promise<number[]> =>
    Promise.all(nodes.map(async (node) => (await admin(node).backend(pool, 'a')).life));
  const both = (what: string, life: number): Promise<unknown> =>
    eventually(
      what,
      async () => (await lives('own')).concat(await lives('shop')).every((number) => number === life),
      LONG,
    );
  const named = (node: LimpetProcess, name: string): Promise<Answered> =>
    ask(node.url, { headers: { 'x-session': `${round} ${name}` } });

  /** Asks for a session, by its header or by its cookie. */
  type Session = (node: LimpetProcess) => Promise<Answered>;

  let people = 0;
  async function sessionsOn(id: string, count: number): Promise<{ session: Session; at: LimpetProcess }[]> {
    const found: { session: Session; at: LimpetProcess }[] = [];
    while (found.length < count) {
      const at = nodes[found.length % 4 < 2 ? 0 : 1]!;
      if (found.length % 2 === 0) {
        const name = `visitor ${++people}`;
        if ((await named(at, name)).backend === id) found.push({ session: (node) => named(node, name), at });
      } else {
        const { backend, cookie: first } = await ask(`${at.url}/own`);
        let cookie = first;
        if (backend !== id) continue;
        const session: Session = async (node) => {
          const answer = await ask(`${node.url}/own`, { headers: { cookie } });
          if (answer.cookie !== '') cookie = answer.cookie;
          return answer;
        };
        found.push({ session, at });
      }
    }
    return found;
  }

  /** Each is answered by b, and told once, wherever it asks first. */
  async function moveOnce(sessions: readonly { session: Session; at: LimpetProcess }[]): Promise<void> {
    for (const [n, { session, at }] of sessions.entries()) {
      const other = nodes.find((node) => node !== at)!;
      const first = await session(n % 3 === 0 ? at : other);
      assert.deepEqual([first.backend, told(first)], ['b', 'from=a; reason=backend-restarted'], `session ${n}`);
      const { headers } = JSON.parse(first.body) as { headers: Record<string, string> };
      const key = headers['limpet-session']!;
      for (const node of nodes)
        await eventually(
          'the nodes to know',
          async () => {
            const all = [...(await admin(node).sessions('own')), ...(await admin(node).sessions('shop'))];
            return all.every((one) => one.key !== key || one.backend === 'b');
          },
          LONG,
        );
      for (const node of nodes) {
        const answer = await session(node);
        assert.deepEqual([answer.backend, told(answer)], ['b', undefined], `session ${n} is told no more`);
      }
    }
  }

  test('M1, 114: SIGKILLed and back after a second: idle sessions of both nodes move, told once each', async () => {
    await start();
    const idle = await sessionsOn('a', 12);
    const elsewhere = await sessionsOn('c', 4);
    await backends[0]!.kill();
    await setTimeout(1_000);
    await backends[0]!.start();
    await both('both nodes to know', 2);
    // Who comes now begins with the new process.
    const fresh = await sessionsOn('a', 4);
    await moveOnce(idle);
    for (const { session, at } of fresh) assert.equal((await session(at)).backend, 'a');
    for (const { session, at } of elsewhere) {
      const answer = await session(at);
      assert.deepEqual([answer.backend, told(answer)], ['c', undefined]);
    }
    assert.deepEqual(await lives('shop'), [2, 2]);
  });

  test('M1, 114: the same while Redis is away: both see it, and it is one end', async () => {
    await start();
    const idle = await sessionsOn('a', 8);
    await redis.kill();
    for (const node of nodes) await node.logged(({ msg }) => msg === 'the shared session store is down', LONG);
    await backends[0]!.kill();
    await setTimeout(1_000);
    await backends[0]!.start();
    await both('both nodes to know', 2);
    await redis.start();
    for (const node of nodes) {
      const ups = (): number => node.log.filter(({ msg }) => msg === 'the shared session store is up').length;
      await eventually('the store to be up again', () => ups() > 1, LONG);
    }
    await sessionsOn('a', 4);
    await moveOnce(idle);
    assert.deepEqual(await lives('shop'), [2, 2]);
    assert.deepEqual(await lives('own'), [2, 2]);
  });

  test('M1, 114: a node that the backend refuses does not move the sessions of a backend that is well', async () => {
    const wall = await new Wall(backends[0]!.port).open();
    await start([backends[0]!.url, `http://127.0.0.1:${wall.port}`]);
    const idle = await sessionsOn('a', 8);
    wall.close();
    await nodes[0]!.logged(({ msg }) => String(msg).startsWith('a backend refuses another node'), LONG);
    for (const pool of ['own', 'shop'])
      await eventually(
        'the node to see it down',
        async () => (await admin(nodes[1]!).backend(pool, 'a')).health === 'down',
        LONG,
      );
    // Longer than an objection holds.
    await setTimeout(2_500);
    assert.deepEqual(
      [await lives('shop'), await lives('own')],
      [
        [1, 1],
        [1, 1],
      ],
    );
    for (const { session } of idle) {
      const answer = await session(nodes[0]!);
      assert.deepEqual([answer.backend, told(answer)], ['a', undefined]);
    }
  });
});
