import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

test('limpet reload: what changed, nothing changed, or every mistake with its place and nothing changed (44, 45)', async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(
    `pools:\n  shop:\n    backends:\n      - { id: a, url: "${backend.url}" }\nworkers: 1\n`,
  );
  t.after(limpet.stop);
  const args = limpet.process.spawnargs;
  const file = args[args.indexOf('-c') + 1]!;
  const text = readFileSync(file, 'utf8');
  const reload = () => runLimpet(['reload', '--admin', limpet.admin]);

  assert.deepEqual(await reload(), { status: 0, stdout: 'nothing changed\n', stderr: '' });

  writeFileSync(file, text.replace('{ id: a,', '{ id: a, weight: 5,'));
  const changed = await reload();
  assert.equal(changed.status, 0);
  assert.match(changed.stdout, /^changed +pools\.shop\.backends\.a$/m);
  const admin = new Admin(limpet.admin);
  assert.equal((await admin.backend('shop', 'a')).weight, 5);

  writeFileSync(
    file,
    text.replace('{ id: a,', '{ id: a, weight: many,').replace('workers: 1', 'workers: 1\nlog: { levl: info }'),
  );
  const refused = await reload();
  assert.deepEqual([refused.status, refused.stdout], [2, '']);
  const lines = refused.stderr.trimEnd().split('\n');
  assert.equal(lines.length, 2, refused.stderr);
  assert.ok(lines[0]!.startsWith(`${file}:6:`), refused.stderr);
  assert.match(lines[0]!, /:\d+: pools\.shop\.backends\[0\]\.weight: /);
  assert.match(lines[1]!, /: log\.levl: unknown key/);
  assert.equal((await admin.backend('shop', 'a')).weight, 5);
  assert.equal((await ask(limpet.url)).backend, 'a');

  writeFileSync(file, text.replace('workers: 1', 'workers: 2'));
  const fixed = await reload();
  assert.equal(fixed.status, 2);
  assert.match(fixed.stderr, /: workers: cannot change while limpet runs/);

  const status = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as Record<string, unknown>;
  assert.deepEqual((status.lastReload as Record<string, unknown>).ok, false);
  assert.equal(await admin.metric('limpet_reloads_total', { result: 'ok' }), 2);
  assert.equal(await admin.metric('limpet_reloads_total', { result: 'failed' }), 2);
});
