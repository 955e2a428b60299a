import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { ask } from '../support/ask.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';

const PATIENCE = 30_000;

test('44: with watch, limpet goes by its file as soon as it is another, and a bad one changes nothing', async (t) => {
  const one = await new HttpBackend('one').start();
  const two = await new HttpBackend('two').start();
  t.after(() => Promise.all([one.stop(), two.stop()]));
  const limpet = await startLimpetProcess(
    `watch: true\npools: { shop: { backends: [{ id: a, url: "${one.url}" }] } }\n`,
  );
  t.after(() => limpet.stop());
  const args = limpet.process.spawnargs;
  const file = args[args.indexOf('-c') + 1]!;
  const replace = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  assert.equal((await ask(limpet.url)).backend, 'one');
  const first = readFileSync(file, 'utf8');

  replace(first.replace('id: a', 'id: "a b"'));
  await limpet.logged(({ msg }) => msg === 'reload refused: nothing has changed', PATIENCE);
  assert.equal((await ask(limpet.url)).backend, 'one');

  replace(first.replace(one.url, two.url).replace('id: a', 'id: b'));
  await limpet.logged(({ msg }) => msg === 'reload: configuration changed', PATIENCE);
  assert.equal((await ask(limpet.url)).backend, 'two');
});
