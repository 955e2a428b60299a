import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import { ENGINES } from '../../scripts/engines.ts';
import { TESTED_NODE_VERSIONS } from '../../src/sockets/tested-node-versions.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the public CI runs every engine', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml')) as {
    jobs: { engines: { strategy: { matrix: { engine: string[] } } } };
  };
  assert.deepEqual(
    jobs.engines.strategy.matrix.engine,
    ENGINES.map(({ name }) => name),
  );
});

test('76: versions of Node that count as tested are those that the tests run on, and the oldest is the oldest allowed', () => {
  const { engines, devDependencies } = JSON.parse(read('package.json')) as {
    engines: { node: string };
    devDependencies: { node: string };
  };
  const versions = [devDependencies.node, ...ENGINES.flatMap(({ version }) => version ?? [])];
  assert.deepEqual(versions.map((version) => Number.parseInt(version, 10)).sort(), [...TESTED_NODE_VERSIONS].sort());
  assert.ok(versions.includes(engines.node.replace('>=', '')), engines.node);
});
