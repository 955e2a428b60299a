import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

test('a minted cookie brings a session to its backend, and the cookies of a running limpet are decoded', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'limpet-minted-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const backends = await Promise.all(['a', 'b', 'c'].map((id) => new HttpBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const secretFile = join(directory, 'secret');
  await writeFile(secretFile, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const limpet = await startLimpetProcess(`workers: 2
sessions: { secretFile: ${secretFile} }
pools:
  app: { backends: [${backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ')}] }
`);
  t.after(limpet.stop);
  const args = limpet.process.spawnargs;
  const file = args[args.indexOf('-c') + 1]!;
  const cookie = async (...more: string[]): Promise<string> => {
    const { status, stdout, stderr } = await runLimpet(['cookie', ...more, '-c', file]);
    assert.equal(status, 0, stderr);
    return stdout.trim();
  };

  const admin = new Admin(limpet.admin);
  for (const id of ['c', 'a', 'b']) {
    const value = await cookie('mint', `app/${id}`);
    for (let nth = 0; nth < 6; nth++) {
      const answer = await ask(limpet.url, { headers: { Cookie: `limpet=${value}` } });
      assert.deepEqual([answer.status, answer.backend], [200, id]);
    }
    const { key } = JSON.parse(await cookie('decode', `limpet=${value}`, '--json')) as { key: string };
    const session = (await admin.sessions('app')).find((one) => one.key === key);
    assert.deepEqual([session?.backend, session?.requests], [id, 6]);
  }

  const own = await ask(limpet.url);
  const said = JSON.parse(await cookie('decode', own.cookie, '--json')) as Record<string, unknown>;
  assert.deepEqual([said.verifies, said.pool, said.backend], [true, 'app', own.backend]);
  const known = await admin.sessions('app');
  assert.ok(known.some(({ key, backend }) => key === said.key && backend === own.backend));
});
