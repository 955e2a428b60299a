import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { readBeside } from '../../../src/supervisor/reload/read-beside.ts';
import { ask } from '../../support/ask.ts';
import { ConfigFile } from '../../support/config-file.ts';
import { startLimpetProcess } from '../../support/limpet.ts';

const NEVER = new AbortController().signal;

/** 4,000 routes with a pool for each ten of them. */
function large(): string {
  const routes = Array.from({ length: 4_000 }, (_, i) => `  - { match: { path: /a${i}/ }, pool: p${i % 400} }`);
  const pools = Array.from(
    { length: 400 },
    (_, i) =>
      `  p${i}: { backends: [{ id: a, url: "http://127.0.0.1:${i + 1}" }], affinity: [{ by: cookie, name: c${i} }], health: { passive: null } }`,
  );
  return `routes:\n${routes.join('\n')}\npools:\n${pools.join('\n')}\n`;
}

test('L10: what a thread reads is what is read without one: configuration, warnings, mistakes and places', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-read-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'limpet.yaml');
  const pool = (more: string): string =>
    `pools: { p: { backends: [{ id: a, url: "http://127.0.0.1:1" }, &b { id: b, url: "http://127.0.0.1:1" }]${more} } }\n`;
  for (const more of ['', ', x: *b', ', affinity: [{ by: cookie }, { by: header }]']) {
    const padding = `# ${'x'.repeat(30_000)}\n`;
    writeFileSync(file, `${padding}listeners: [{ bind: "127.0.0.1:80" }]\nworkers: 2\n${pool(more)}`);
    const [beside, here] = [await readBeside({ file, text: null }, NEVER), loadConfig(file)];
    if ('errors' in beside || 'errors' in here) assert.deepEqual(beside, here);
    else {
      assert.deepEqual({ ...beside, errorAt: null }, { ...here, errorAt: null });
      assert.deepEqual(beside.errorAt(['workers'], 'no'), here.errorAt(['workers'], 'no'));
    }
  }
});

test('L10, L17: a stop does not wait for a file that is being read', async () => {
  const stop = new AbortController();
  const reading = readBeside(
    { file: 'x.yaml', text: `listeners: [{ bind: "127.0.0.1:80" }]\n${large()}` },
    stop.signal,
  );
  stop.abort();
  const refused = await reading;
  assert.ok('errors' in refused);
  assert.match(refused.errors[0]!.message, /stopping/);
});

test('L10: while 4,000 routes and 400 pools are read again the admin API answers, and the same for a simulation', async (t) => {
  const limpet = await startLimpetProcess(`workers: 1\nlog: { access: false }\n${large()}`);
  t.after(limpet.stop);
  const file = new ConfigFile(limpet);
  const during = async (work: Promise<unknown>): Promise<number> => {
    let done = false;
    const ended = work.finally(() => {
      done = true;
    });
    let answers = 0;
    while (!done) {
      assert.equal((await ask(`${limpet.admin}/healthz`)).status, 200);
      answers++;
    }
    await ended;
    return answers;
  };
  file.replace('path: /a0/', 'path: /b/');
  // Had the reading held it up there would be one or two.
  const answers = await during(file.reload('api'));
  assert.ok(answers > 10, `${answers} answers`);
  const simulate = ask(`${limpet.admin}/api/v1/simulate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      config: `listeners: [{ bind: "127.0.0.1:0" }]\nadmin: { bind: "127.0.0.1:0" }\nworkers: 1\nlog: { access: false }\n${large()}`,
    }),
  });
  const others = await during(simulate);
  assert.equal((await simulate).status, 200, (await simulate).body.slice(0, 500));
  assert.ok(others > 10, `${others} answers`);
});
