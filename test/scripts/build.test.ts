/** What an installed limpet is made of. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** The run of all tests makes dist; a test that runs alone tests what is there. */
const skip = existsSync(`${ROOT}dist/cli/main.js`) ? false : 'there is no dist: npm run build';

test('the package needs no other: libraries are part of it, and their licences are in it', { skip }, () => {
  const { dependencies = {} } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { dependencies?: object };
  assert.deepEqual(dependencies, {});
  const licenses = readFileSync(`${ROOT}dist/THIRD-PARTY-LICENSES.txt`, 'utf8');
  for (const name of ['zod', 'yaml', 'yargs', 'undici', 'ioredis', 'pino', 'jose']) {
    assert.match(licenses, new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'), name);
  }
  assert.deepEqual(
    readdirSync(`${ROOT}dist`, { recursive: true }).filter((name) => String(name).endsWith('.d.ts')),
    [],
  );
});

test('commands load no more than they need: help without the configuration, check without what carries traffic', {
  skip,
}, () => {
  const loaded = (args: readonly string[]): string[] => {
    const code = `
      const { registerHooks } = process.getBuiltinModule('node:module');
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      process.argv = ['node', 'limpet', ...${JSON.stringify(args)}];
      process.on('exit', () => require('node:fs').writeSync(2, '\\n' + JSON.stringify(loaded)));
      import(${JSON.stringify(`${ROOT}dist/cli/main.js`)});`;
    const { stderr } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
    return JSON.parse(stderr.split('\n').at(-1)!) as string[];
  };
  const bytes = (files: readonly string[]): number =>
    files.reduce((sum, file) => sum + (file.startsWith('file:') ? readFileSync(fileURLToPath(file)).length : 0), 0);
  const help = loaded(['--help']);
  const check = loaded(['check', '-c', `${ROOT}config/limpet.yaml`]);
  assert.ok(help.length < 20 && check.length < 40, `${help.length} and ${check.length} files`);
  const all = readdirSync(`${ROOT}dist`, { recursive: true })
    .map(String)
    .filter((name) => /\.js$/.test(name));
  const total = bytes(all.map((name) => `file://${ROOT}dist/${name}`));
  assert.ok(bytes(help) < total / 8, `help reads ${bytes(help)} of ${total} bytes`);
  assert.ok(bytes(check) < total / 4, `check reads ${bytes(check)} of ${total} bytes`);
});

test('a defect is told with the files and lines of the sources', { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-stack-'));
  try {
    // A standard output that fails in a way that no command expects.
    const code = `
      console.log = () => { throw new TypeError('a defect'); };
      process.argv = ['node', 'limpet', 'schema'];
      import(${JSON.stringify(`${ROOT}dist/cli/main.js`)});`;
    const { stderr, status } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', cwd: directory });
    assert.match(stderr, /^limpet: TypeError: a defect\n/);
    assert.match(stderr, /src\/cli\/output\.ts:\d+:\d+\)?\n/);
    assert.equal(status, 1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
