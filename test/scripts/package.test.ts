/** What a fresh machine gets: programs that can be run, and what the Node that comes along needs. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const json = (file: string) => JSON.parse(readFileSync(ROOT + file, 'utf8')) as Record<string, object>;

test('B1: every program of bin is executable, also in git, and says what runs it', () => {
  const bins = readdirSync(`${ROOT}bin`).map((name) => `bin/${name}`);
  for (const file of [...Object.values(json('package.json').bin as Record<string, string>), '.ci/run', ...bins]) {
    assert.match(readFileSync(ROOT + file, 'utf8'), /^#!\/usr\/bin\/env (?:node|bash)\n/, file);
    assert.equal(statSync(ROOT + file).mode & 0o111, 0o111, `${file} is not executable: chmod +x ${file}`);
    const { status, stdout } = spawnSync('git', ['-C', ROOT, 'ls-files', '-s', file], { encoding: 'utf8' });
    if (status === 0 && stdout !== '') assert.match(stdout, /^100755 /, `${file} is not executable in git`);
  }
});

test('B2: what makes the machine ready is installed as a package, whose preinstall runs before any other program', () => {
  assert.match(readFileSync(`${ROOT}.npmrc`, 'utf8'), /^install-links=true$/m);
  const { packages } = json('package-lock.json') as { packages: Record<string, Record<string, unknown>> };
  assert.deepEqual(packages['node_modules/limpet-machine'], {
    version: '1.0.0',
    resolved: 'file:scripts/machine',
    dev: true,
    hasInstallScript: true,
    license: 'Apache-2.0',
  });
  assert.deepEqual(json('scripts/machine/package.json').scripts, { preinstall: 'node prepare.cjs' });
});

/**
 * Runs prepare.cjs with an ldconfig that lists no libatomic until `apt-get install` has put it there, where that works.
 */
function prepare(t: TestContext, has: 'it' | 'apt-get' | 'nothing') {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-machine-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const program = (name: string, text: string): void => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  const libraries = join(directory, 'libraries');
  const log = join(directory, 'log');
  writeFileSync(libraries, has === 'it' ? 'libc.so.6\nlibatomic.so.1\n' : 'libc.so.6\n');
  writeFileSync(log, '');
  program('ldconfig', `cat ${libraries}`);
  program('apt-get', `echo "$@" >>${log}; ${has === 'apt-get' ? `echo libatomic.so.1 >>${libraries}` : 'exit 100'}`);
  const { status, stderr } = spawnSync(process.execPath, [`${ROOT}scripts/machine/prepare.cjs`], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${directory}:${process.env.PATH}`, LD_LIBRARY_PATH: '' },
  });
  return { status, stderr, asked: readFileSync(log, 'utf8') };
}

const isDebianRoot = process.getuid?.() === 0 && statSync('/usr/bin/apt-get', { throwIfNoEntry: false }) !== undefined;

test('B2: libatomic is left alone where it is, installed where it can be, and else asked for by name', (t) => {
  assert.deepEqual(prepare(t, 'it'), { status: 0, stderr: '', asked: '' });
  const { status, stderr } = prepare(t, 'nothing');
  assert.equal(status, 1);
  assert.match(stderr, /needs libatomic\.so\.1.*\n.*apt-get install libatomic1\n.*dnf install libatomic\n/);
  const installed = prepare(t, 'apt-get');
  assert.equal(installed.status, isDebianRoot ? 0 : 1);
  if (isDebianRoot) assert.match(installed.asked, /^update -q\ninstall .*libatomic1\n$/);
});
