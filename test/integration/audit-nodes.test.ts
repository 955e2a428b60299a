import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { audited, readAudit } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RedisServer } from '../support/redis.ts';

const SESSIONS = 20;

test('of two nodes and one Redis each writes what happened on it: nothing is there twice', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-audit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const redis = await RedisServer.start();
  t.after(() => redis.stop());
  const backends = await Promise.all(['a', 'b'].map((id) => new HttpBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  writeFileSync(join(directory, 'secrets'), randomBytes(32).toString('hex'), { mode: 0o600 });
  const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
  const paths = [0, 1].map((n) => join(directory, `audit-${n}.jsonl`));
  const nodes: LimpetProcess[] = [];
  for (const path of paths) {
    const node = await startLimpetProcess(
      `workers: 2
log: { access: false, audit: "${path}" }
sessions: { secretFile: "${join(directory, 'secrets')}", store: redis, redis: { url: "${redis.url}" } }
routes: [{ match: { path: /keys }, pool: keys }, { pool: shop }]
pools:
  shop: { backends: [${list}] }
  keys: { backends: [${list}], affinity: [{ by: header, name: X-Key }] }
`,
    );
    t.after(node.stop);
    nodes.push(node);
  }
  const get = async (node: number, target: string, headers: Record<string, string>): Promise<Answered> => {
    const answered = await ask(nodes[node]!.url + target, { headers });
    assert.equal(answered.status, 200, answered.body);
    return answered;
  };
  const keyOf = ({ body }: Answered): string =>
    (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session']!;

  const keys: string[] = [];
  for (let n = 0; n < SESSIONS; n++) {
    const first = await get(0, '/', {});
    const second = await get(1, '/', { cookie: first.cookie });
    assert.equal(second.backend, first.backend);
    const named = { 'x-key': `key ${n}` };
    const third = await get(1, '/keys', named);
    assert.equal((await get(0, '/keys', named)).backend, third.backend);
    keys.push(keyOf(first), keyOf(third));
  }
  // Ended by an operator at one node, and so at the other.
  const ended = keys[1]!;
  await new Admin(nodes[0]!.admin).endSession(ended);
  await eventually('the end at the other node', async () => {
    const sessions = await new Admin(nodes[1]!.admin).sessions('keys');
    return !sessions.some(({ key }) => key === ended);
  });
  await audited(paths[0]!, ({ event }) => event === 'ended');
  await Promise.all(nodes.map((node) => node.stop()));
  const lines = paths.map((path) => readAudit(path));
  const created = lines.map((part) => part.filter(({ event }) => event === 'created').map(({ key }) => key!));
  assert.deepEqual(created[0]!.toSorted(), keys.filter((_, at) => at % 2 === 0).toSorted());
  assert.deepEqual(created[1]!.toSorted(), keys.filter((_, at) => at % 2 === 1).toSorted());
  const others = lines.flat().filter(({ event }) => event !== 'created');
  assert.deepEqual(
    others.map(({ event, key, reason }) => [event, key, reason]),
    [['ended', ended, 'operator']],
  );
});
