import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { BackendProcess } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const IDS = ['a', 'b', 'c'];
const LONG = 30_000;

const told = ({ body }: Answered): string | undefined =>
  (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session-moved'];

let backends: BackendProcess[];
let directory: string;
before(async () => {
  backends = await Promise.all(IDS.map((id) => new BackendProcess(id, true).start()));
  directory = await mkdtemp(join(tmpdir(), 'limpet-away-'));
});
after(async () => {
  await Promise.all(backends.map((backend) => backend.kill()));
  await rm(directory, { recursive: true, force: true });
});

async function start(t: TestContext, ...args: string[]): Promise<LimpetProcess> {
  const members = backends.map(({ id, url }, at) => `{ id: ${id}, url: "${url}", replicas: [${IDS[(at + 1) % 3]}] }`);
  await writeFile(join(directory, 'secret'), `${'0123456789abcdef'.repeat(4)}\n`, { mode: 0o600 });
  const limpet = await startLimpetProcess(
    [
      'workers: 1',
      'log: { access: false }',
      `sessions: { snapshot: "${join(directory, 'rows')}", secretFile: "${join(directory, 'secret')}" }`,
      'pools:',
      `  shop: { backends: [${members.join(', ')}], affinity: [{ by: header, name: X-Session }], health: { active: { interval: 600ms, timeout: 600ms } } }`,
    ].join('\n'),
    { args },
  );
  t.after(limpet.stop);
  for (const id of IDS)
    await eventually(
      `${id} to be up`,
      async () => (await new Admin(limpet.admin).backend('shop', id)).health === 'up',
      LONG,
    );
  return limpet;
}

const lifeOf = async ({ admin }: LimpetProcess, id: string): Promise<number> =>
  (await new Admin(admin).backend('shop', id)).life;

test('M1, 114: a backend that was restarted while limpet was away is known by its boot id; lives go on from one limpet to the next', async (t) => {
  const visit = (limpet: LimpetProcess, name: string): Promise<Answered> =>
    ask(limpet.url, { headers: { 'x-session': name } });
  const first = await start(t);
  const home = new Map<string, string>();
  for (let n = 0; n < 30; n++) home.set(`visitor ${n}`, (await visit(first, `visitor ${n}`)).backend);
  await first.stop();
  await backends[0]!.kill();
  await backends[0]!.start();
  const second = await start(t);
  await eventually('the probe to see it', async () => (await lifeOf(second, 'a')) === 2, LONG);
  assert.deepEqual([await lifeOf(second, 'b'), await lifeOf(second, 'c')], [1, 1]);
  const names = [...home.keys()];
  // Half of them go on; the others are idle still, and the next limpet knows of them as this one does.
  const askFor = async (limpet: LimpetProcess, list: readonly string[]): Promise<void> => {
    for (const name of list) {
      const { backend, ...answer } = await visit(limpet, name);
      const was = home.get(name)!;
      assert.equal(backend, was === 'a' ? 'b' : was, name);
      assert.equal(told({ backend, ...answer })?.split(';')[0], was === 'a' ? 'from=a' : undefined, name);
    }
  };
  await askFor(second, names.slice(0, 15));
  const third = await start(t, '--take-over');
  assert.equal(await lifeOf(third, 'a'), 2);
  await askFor(third, names.slice(15));
  // Nothing ends a second time by what both have seen.
  assert.equal(await lifeOf(third, 'a'), 2);
});
