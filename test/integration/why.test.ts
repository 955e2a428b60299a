import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callLimpet } from '../cli/call-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

test('U7: why says how a session ended, by whichever thread, without an audit log, and that one lives', async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(
    `workers: 1\npools: { shop: { backends: [{ id: a, url: "${backend.url}" }], session: { endOn: [{ path: /logout }] } } }\n`,
  );
  t.after(() => limpet.stop());
  const admin = new Admin(limpet.admin);
  const why = async (...args: string[]) => {
    const { status, stdout, stderr } = await callLimpet(t, ['why', ...args, '--admin', limpet.admin]);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    return stdout;
  };
  const begin = async () => {
    const { cookie } = await ask(`${limpet.url}/`);
    const [session] = await admin.sessions('shop');
    return { cookie, key: session!.key };
  };
  const first = await begin();
  assert.match(await why(first.key), /^no end of this session is among the last 0: it may live/);
  await ask(`${limpet.url}/logout`, { headers: { cookie: first.cookie } });
  // The worker tells of it with its next batch.
  let shown = '';
  while (!shown.startsWith('WHEN')) shown = await why(first.key);
  assert.match(shown, / shop +a +127\.0\.0\.1 +ended path: a request for a path of session\.endOn\n$/);

  const second = await begin();
  await callLimpet(t, ['sessions', 'end', second.key, '--admin', limpet.admin]);
  assert.match(await why(second.key), / shop +a +- +ended operator: an operator ended it/);
  const document = JSON.parse(await why(second.key, '--json')) as { kept: number; ends: Record<string, unknown>[] };
  assert.equal(document.kept, 2);
  assert.equal(document.ends[0]!.reason, 'operator');

  for (const wrong of [['why'], ['why', first.key, '--user', 'me'], ['why', first.key, '--limit', '0']]) {
    assert.equal((await callLimpet(t, [...wrong, '--admin', limpet.admin])).status, 2);
  }
  assert.match(await why('--user', 'me'), /^no end of a session of this user is among the last 2/);
});
