import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RedisServer } from '../support/redis.ts';
import { SessionBackend } from '../support/session-backend.ts';

function sessionOf(answer: Answered): string | undefined {
  assert.equal(answer.status, 200, `${answer.code} ${answer.body}`);
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers['limpet-session'];
}

const backends = ['a', 'b', 'c'].map((id) => new SessionBackend(id));
let directory: string;
let serial = 0;
const newKey = (): string => `key-${process.pid}-${serial++}`;
const get = (node: LimpetProcess, path: string, headers: Record<string, string> = {}): Promise<Answered> =>
  ask(node.url + path, { headers });

before(async () => {
  for (const backend of backends) await backend.start();
  directory = await mkdtemp(join(tmpdir(), 'limpet-joined-'));
  await writeFile(join(directory, 'secret'), `${randomBytes(32).toString('base64')}\n`);
});
after(async () => {
  for (const backend of backends) await backend.stop();
  await rm(directory, { recursive: true, force: true });
});

function config(sessions: string): string {
  const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
  return [
    'workers: 2',
    `sessions: { secretFile: ${join(directory, 'secret')}, ${sessions} }`,
    'pools:',
    `  shop: { backends: [${list}], balance: round-robin, affinity: [{ by: query, name: sid }, { by: header, name: x-key }, { by: cookie }] }`,
  ].join('\n');
}

describe('115: joined keys over two nodes that share a Redis', () => {
  let redis: RedisServer;
  let nodes: LimpetProcess[];
  before(async () => {
    redis = await RedisServer.start();
    const yaml = config(`store: redis, redis: { url: "${redis.url}" }`);
    nodes = await Promise.all([startLimpetProcess(yaml), startLimpetProcess(yaml)]);
  });
  after(async () => {
    for (const node of nodes ?? []) await node.stop();
    await redis?.stop();
  });

  /** A session of the first node that has another name, and the other node can know of it. */
  async function joined(): Promise<{ first: Answered; sid: string; id: string }> {
    const first = await get(nodes[0]!, '/');
    const sid = newKey();
    const both = await get(nodes[0]!, `/?sid=${sid}`, { cookie: first.cookie });
    assert.equal(sessionOf(both), sessionOf(first));
    const id = sessionOf(first)!;
    await eventually('the session and its name to be in Redis', async () => {
      const names = await redis.client.keys('limpet:s:*');
      const links = await Promise.all(names.map((name) => redis.client.hget(name, 'j')));
      return names.includes(`limpet:s:${id}`) && links.includes(id);
    });
    return { first, sid, id };
  }

  test('the other node takes a joined key for the session that it is a name of', async () => {
    for (let n = 0; n < 4; n++) {
      const { first, sid, id } = await joined();
      const alone = await get(nodes[1]!, `/?sid=${sid}`);
      assert.deepEqual([alone.backend, sessionOf(alone)], [first.backend, id]);
      const both = await get(nodes[1]!, `/?sid=${sid}`, { cookie: first.cookie });
      assert.deepEqual([both.backend, sessionOf(both)], [first.backend, id]);
    }
  });

  test('it ends with its session, which is ended on the other node', async () => {
    const { sid, id } = await joined();
    await new Admin(nodes[1]!.admin).endSession(id);
    await eventually('the end to be heard', async () => sessionOf(await get(nodes[0]!, `/?sid=${sid}`)) !== id);
    assert.notEqual(sessionOf(await get(nodes[1]!, `/?sid=${sid}`)), id);
    // Both agree on what the key is from now on.
    const here = await get(nodes[0]!, `/?sid=${sid}`);
    const there = await get(nodes[1]!, `/?sid=${sid}`);
    assert.deepEqual([there.backend, sessionOf(there)], [here.backend, sessionOf(here)]);
  });

  test('two keys that are new to a node: the one that Redis knows decides, whichever it is', async () => {
    const key = newKey();
    const first = await get(nodes[0]!, '/', { 'x-key': key });
    const both = await get(nodes[1]!, `/?sid=${newKey()}`, { 'x-key': key });
    assert.deepEqual([both.backend, sessionOf(both)], [first.backend, sessionOf(first)]);
    const cookie = await get(nodes[0]!, '/');
    const third = await get(nodes[1]!, `/?sid=${newKey()}`, { cookie: cookie.cookie });
    assert.deepEqual([third.backend, sessionOf(third)], [cookie.backend, sessionOf(cookie)]);
  });
});

test('115: a joined key is one after a restart from the snapshot, and after a take-over', async (t) => {
  const yaml = config(`snapshot: ${join(directory, 'sessions')}`);
  let limpet = await startLimpetProcess(yaml);
  t.after(() => limpet.stop());
  const first = await get(limpet, '/');
  const sid = newKey();
  await get(limpet, `/?sid=${sid}`, { cookie: first.cookie });
  await limpet.stop();
  limpet = await startLimpetProcess(yaml);
  const alone = await get(limpet, `/?sid=${sid}`);
  assert.deepEqual([alone.backend, sessionOf(alone)], [first.backend, sessionOf(first)]);
  const next = await startLimpetProcess(yaml, { args: ['--take-over'] });
  t.after(() => next.stop());
  const later = await get(next, `/?sid=${sid}`);
  assert.deepEqual([later.backend, sessionOf(later)], [first.backend, sessionOf(first)]);
  await new Admin(next.admin).endSession(sessionOf(first)!);
  assert.notEqual(sessionOf(await get(next, `/?sid=${sid}`)), sessionOf(first));
});
