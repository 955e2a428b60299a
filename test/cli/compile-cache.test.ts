import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { compileCacheDirectory, useCompileCache } from '../../src/cli/compile-cache.ts';

function home(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-cache-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('what V8 compiled is kept in a directory of the user alone, the one that systemd gives first', (t) => {
  const own = home(t);
  const environment = { HOME: own, XDG_CACHE_HOME: join(own, 'xdg'), CACHE_DIRECTORY: join(own, 'systemd') };
  assert.equal(compileCacheDirectory({ HOME: own }), join(own, '.cache/limpet'));
  assert.equal(statSync(join(own, '.cache/limpet')).mode & 0o777, 0o700);
  assert.equal(compileCacheDirectory({ ...environment, CACHE_DIRECTORY: '' }), join(own, 'xdg/limpet'));
  assert.equal(compileCacheDirectory(environment), join(own, 'systemd/limpet'));
});

test('a directory that others may write to, or that leads elsewhere, is not used', (t) => {
  const own = home(t);
  const directory = compileCacheDirectory({ HOME: own })!;
  chmodSync(directory, 0o777);
  assert.equal(compileCacheDirectory({ HOME: own }), null, 'it is open to all');
  chmodSync(directory, 0o700);
  chmodSync(join(own, '.cache'), 0o775);
  assert.equal(compileCacheDirectory({ HOME: own }), null, 'its parent is open to a group');
  const other = home(t);
  mkdirSync(join(other, '.cache'), { mode: 0o700 });
  symlinkSync(directory, join(other, '.cache/limpet'));
  assert.equal(compileCacheDirectory({ HOME: other }), null, 'a link');
  const file = process.execPath;
  assert.equal(compileCacheDirectory({ HOME: file }), null, 'no directory');
  assert.equal(compileCacheDirectory({ HOME: 'relative' }), null);
  assert.equal(compileCacheDirectory({}), null);
});

test('where Node has been told what to do, and where sources run, nothing is set', (t) => {
  const own = home(t);
  for (const environment of [{ NODE_COMPILE_CACHE: '/x' }, { NODE_DISABLE_COMPILE_CACHE: '1' }, {}]) {
    const given = { HOME: own, ...environment };
    useCompileCache(given);
    assert.deepEqual(given, { HOME: own, ...environment });
  }
  assert.deepEqual(readdirSync(own), []);
});
