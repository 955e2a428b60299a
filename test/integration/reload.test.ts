import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

interface Change {
  readonly path: string;
  readonly change: string;
}
interface Reloaded {
  readonly status: number;
  readonly generation: number;
  readonly changes: Change[];
  readonly errors: { line: number; column: number; path: string; message: string }[];
}

describe('a reload', () => {
  let backends: HttpBackend[];
  let limpet: LimpetProcess;
  let admin: Admin;
  let directory: string;
  let secretFile: string;
  const secrets = [0, 1].map(() => randomBytes(32).toString('hex'));

  before(async () => {
    backends = await Promise.all(['a', 'b', 'c'].map((id) => new HttpBackend(id).start()));
  });
  after(() => Promise.all(backends.map((backend) => backend.stop())));

  const entry = (id: string, more = ''): string =>
    `{ id: ${id}, url: "${backends.find((backend) => backend.id === id)!.url}"${more} }`;
  const config = (list: string[], more = ''): string =>
    `listeners: [{ bind: "127.0.0.1:0" }]
admin: { bind: "127.0.0.1:0" }
workers: 2
sessions: { secretFile: ${secretFile} }
pools:
  shop:
    backends: [${list.join(', ')}]
    balance: round-robin
${more}`;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'limpet-reload-'));
    secretFile = join(directory, 'secrets');
    await writeFile(secretFile, secrets[0]!, { mode: 0o600 });
    limpet = await startLimpetProcess(config([entry('a', ', replicas: [b]'), entry('b')]));
    admin = new Admin(limpet.admin);
  });
  afterEach(async () => {
    await limpet?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function reload(text: string): Promise<Reloaded> {
    const args = limpet.process.spawnargs;
    await writeFile(args[args.indexOf('-c') + 1]!, text);
    const response = await fetch(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
    return { status: response.status, ...((await response.json()) as Omit<Reloaded, 'status'>) };
  }
  const get = (cookie = '', path = '/'): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? {} : { cookie } });

  async function members(): Promise<string[]> {
    const pool = (await (await fetch(`${limpet.admin}/api/v1/pools/shop`)).json()) as { backends: { id: string }[] };
    return pool.backends.map(({ id }) => id);
  }

  /** A session on the backend of this id. */
  async function sessionOn(id: string): Promise<string> {
    for (let tries = 0; tries < 20; tries++) {
      const answer = await get();
      if (answer.backend === id) return answer.cookie;
    }
    throw new Error(`no session on ${id}`);
  }

  test('44: a removed backend drains: its sessions stay, nobody new comes, and it goes when the last one has ended', async () => {
    const onA = await sessionOn('a');
    const reply = await reload(config([entry('b'), entry('c')]));
    assert.deepEqual(reply.changes, [
      { path: 'pools.shop.backends.a', change: 'removed' },
      { path: 'pools.shop.backends.c', change: 'added' },
    ]);
    assert.equal(reply.generation, 2);
    for (let nth = 0; nth < 10; nth++) {
      assert.equal((await get(onA)).backend, 'a');
      assert.notEqual((await get()).backend, 'a');
    }
    assert.equal((await admin.backend('shop', 'a')).state, 'drain');
    const sessions = await admin.sessions('shop');
    for (const { key, backend } of sessions) if (backend === 'a') await admin.endSession(key);
    await eventually('the backend to go', async () => (await members()).join() === 'b,c');
    assert.equal((await get()).status, 200);
  });

  test('33, 44: a removed backend that dies leaves its sessions to its replicas', async () => {
    const onA = await sessionOn('a');
    await reload(config([entry('b'), entry('c')]));
    assert.equal((await get(onA)).backend, 'a');
    await admin.patch('shop', 'a', { state: 'maintenance' });
    const moved = await get(onA);
    assert.equal(moved.backend, 'b');
  });

  test('12: put back while it drains, a backend keeps its sessions; put back after it was gone, it is another one', async () => {
    const onA = await sessionOn('a');
    await reload(config([entry('b')]));
    await reload(config([entry('a'), entry('b')]));
    assert.equal((await admin.backend('shop', 'a')).state, 'ready');
    assert.equal((await get(onA)).backend, 'a');
    const { requests } = await admin.backend('shop', 'a');

    // Its cookie outlives the row; but the server that is called so after that is another.
    const cookies = [onA];
    await reload(config([entry('b')]));
    for (const { key, backend } of await admin.sessions('shop')) if (backend === 'a') await admin.moveSession(key, 'b');
    await eventually('the backend to go', async () => (await members()).join() === 'b');
    await reload(config([entry('a'), entry('b')]));
    for (const cookie of cookies) assert.equal((await get(cookie)).backend, 'b');
    // 45: its counters go on.
    assert.ok((await admin.backend('shop', 'a')).requests >= requests);
  });

  test('what an operator has set stays, until the file says something else', async () => {
    await admin.patch('shop', 'b', { weight: 7, state: 'drain' });
    await reload(config([entry('a'), entry('b'), entry('c')]));
    const kept = await admin.backend('shop', 'b');
    assert.deepEqual([kept.weight, kept.state], [7, 'drain']);
    await reload(config([entry('a'), entry('b', ', weight: 3'), entry('c')]));
    const written = await admin.backend('shop', 'b');
    assert.deepEqual([written.weight, written.state], [3, 'drain']);
  });

  test('44: a bad file, a key that cannot change and an address that is taken change nothing, and say where they are', async (t) => {
    const onA = await sessionOn('a');
    const wrong = await reload(`${config([entry('a')])}    balence: random\n`);
    assert.equal(wrong.status, 422);
    assert.equal(wrong.errors.length, 1);
    assert.deepEqual([wrong.errors[0]!.line, wrong.errors[0]!.path], [9, 'pools.shop.balence']);

    const fixed = await reload(config([entry('a')]).replace('workers: 2', 'workers: 3'));
    assert.deepEqual([fixed.status, fixed.errors.map(({ line, path }) => [line, path])], [422, [[3, 'workers']]]);

    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const taken = await reload(
      config([entry('a')]).replace('"127.0.0.1:0" }]', `"127.0.0.1:0" }, { bind: "127.0.0.1:${port}" }]`),
    );
    assert.equal(taken.status, 422);
    assert.match(taken.errors[0]!.message, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));

    assert.equal((await get(onA)).backend, 'a');
    const status = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as { configGeneration: number };
    assert.equal(status.configGeneration, 1);
    assert.equal((await reload(config([entry('a', ', replicas: [b]'), entry('b')]))).status, 200);
  });

  test('a request that is under way keeps what it began with, and a new listener serves at once', async () => {
    const onA = await sessionOn('a');
    const came = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const a = backends[0]!;
    const before = a.answer;
    a.answer = (request, response) => {
      came.resolve();
      void go.promise.then(() => response.end(`late ${request.url}`));
    };
    const slow = get(onA, '/slow');
    await came.promise;
    a.answer = before;
    await reload(
      config([entry('c')])
        .replace('"127.0.0.1:0" }]', '"127.0.0.1:0" }, { bind: "127.0.0.1:0" }]')
        .replace('shop:', 'other:'),
    );
    go.resolve();
    assert.equal((await slow).body, 'late /slow');
    const { listeners } = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as {
      listeners: { address: string }[];
    };
    assert.equal(listeners.length, 2);
    for (const { address } of listeners)
      for (let nth = 0; nth < 4; nth++) assert.equal((await ask(address)).backend, 'c');
  });

  test('11, 25: a new secret signs, the old one verifies, and no row is lost', async () => {
    const onA = await sessionOn('a');
    await writeFile(secretFile, `${secrets[1]}\n${secrets[0]}\n`, { mode: 0o600 });
    const { changes } = await reload(config([entry('a', ', replicas: [b]'), entry('b')]));
    assert.deepEqual(changes, [{ path: 'sessions.secretFile (its content)', change: 'changed' }]);
    const sessions = await admin.sessions('shop');
    assert.equal((await get(onA)).backend, 'a');
    assert.equal((await admin.sessions('shop')).length, sessions.length, 'found by its row, not made again');
  });
});
