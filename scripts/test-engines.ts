// The integration tests on the other engines: `npm run test:engines`. Names of engines (scripts/engines.ts) choose some
// of them, anything else is a folder or a file of tests: `npm run test:engines -- node-24
// test/integration/affinity.test.ts`.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENGINES, type Engine } from './engines.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The program of a version of Node, installed beside the dependencies where it is not there yet. */
function programOf({ name, version }: Engine): string {
  if (version === null) return process.execPath;
  const directory = join(root, 'node_modules/.cache/engines', name);
  const program = join(directory, 'node_modules/node/bin/node');
  const isThere = (): boolean => spawnSync(program, ['--version']).status === 0;
  if (isThere()) return program;
  mkdirSync(directory, { recursive: true });
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', directory, `node@${version}`];
  spawnSync('npm', args, { cwd: directory, stdio: 'inherit' });
  if (isThere()) return program;
  console.error(`Node ${version} could not be installed from the npm package \`node\``);
  process.exit(1);
}

/** False: some test failed. */
function runOn(engine: Engine, paths: readonly string[]): boolean {
  const program = programOf(engine);
  console.log(`\n=== ${engine.name} ===`);
  const { status } = spawnSync(program, [join(root, 'scripts/test.ts'), ...paths], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: [process.env.NODE_OPTIONS ?? '', engine.nodeOptions].join(' ').trim(),
      PATH: `${join(program, '..')}${delimiter}${process.env.PATH}`,
    },
  });
  return status === 0;
}

const args = process.argv.slice(2);
const chosen = ENGINES.filter(({ name }) => args.includes(name));
const named = args.filter((arg) => !chosen.some(({ name }) => name === arg));
const paths = named.length === 0 ? ['test/integration'] : named;
const results = (chosen.length === 0 ? ENGINES : chosen).map((engine) => {
  const began = performance.now();
  const passed = runOn(engine, paths);
  const minutes = ((performance.now() - began) / 60_000).toFixed(1);
  return { passed, line: `${engine.name}: ${passed ? 'passed' : 'FAILED'} in ${minutes} min` };
});
console.log(`\n${results.map(({ line }) => line).join('\n')}`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;
