import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const sources = globSync('src/**/*.ts', { cwd: root });

/** Folders from the top down (ARCHITECTURE.md). One may import from its own row and those below, never from above. */
const LAYERS = [
  ['cli', 'demo'],
  ['app.ts', 'running-limpet.ts'],
  ['supervisor', 'worker'],
  ['listeners', 'admin'],
  ['client'],
  ['proxy'],
  [
    'routing',
    'affinity',
    'keys',
    'sessions',
    'limits',
    'turns',
    'balancing',
    'health',
    'exchange',
    'upstream',
    'websocket',
  ],
  ['model'],
  ['backends'],
  [
    'http1',
    'sockets',
    'bytes',
    'config',
    'logging',
    'metrics',
    'tracing',
    'timing',
    'errors.ts',
    'errors-start.ts',
    'installation.ts',
    'package-version.ts',
  ],
];

function layerOf(path: string): number {
  const name = path.split('/')[1]!;
  const layer = LAYERS.findIndex((names) => names.includes(name));
  assert.notEqual(layer, -1, `${path} is in no layer: add its folder to ARCHITECTURE.md and to this test`);
  return layer;
}

/** What stands lower but is known above by its type alone, each with its reason. */
const ALLOWED = new Set([
  // A pool carries its configuration and a backend its key's type; both are types without code.
  'src/balancing/policy.ts -> src/keys/key.ts',
]);

test('imports point down only', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const match of text.matchAll(/^(?:import|export)\b[^;]*?from '(\.[^']+)'/gm)) {
      const target = relative(root, join(root, dirname(file), match[1]!));
      if (layerOf(target) < layerOf(file) && !ALLOWED.has(`${file} -> ${target}`)) wrong.push(`${file} -> ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('http1 imports nothing of ours but the memory that it reads', () => {
  for (const file of sources.filter((path) => path.startsWith('src/http1/'))) {
    assert.doesNotMatch(readFileSync(join(root, file), 'utf8'), /from '\.\.\/(?!bytes\/memory\.ts')/, file);
  }
});

test('H1: one file blames backends for what becomes of requests, and probes do for what becomes of them', () => {
  const blames = /recordFailure\(|setLastError\(|outlier\??\.record\(|failures\.note\(/;
  const known = ['src/backends/shared-state.ts', 'src/health/monitor.ts', 'src/proxy/blame.ts'];
  const found = sources.filter((file) => blames.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(found.sort(), known);
});

test('a file of more than 400 lines says at its head why', () => {
  for (const file of sources) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    if (lines.length > 401)
      assert.match(
        lines.slice(0, 25).join('\n'),
        /Longer than 400 lines because /,
        `${file} has ${lines.length} lines`,
      );
  }
});
