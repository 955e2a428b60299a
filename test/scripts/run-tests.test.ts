import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TEST_PROGRAMS } from '../../scripts/test-programs.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** `npm test` of files, as a run of its own. */
async function npmTest(
  files: readonly string[],
  more: Record<string, string>,
): Promise<{ status: number | null; output: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...more };
  delete env.NODE_TEST_CONTEXT;
  const child = spawn(process.execPath, ['scripts/test.ts', ...files], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  // Not 'exit': whoever holds its output has not ended.
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, output };
}

/** Whether a process is there and not only waited for. */
function isRunning(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
}

const WAYS = {
  before: 'throws in a hook',
  top: 'throws outside of one',
  killed: 'is killed',
  hangs: 'waits for ever',
  skipped: 'is good and a test is skipped',
  forgotten: 'ends nothing of what it started',
};
for (const [how, what] of Object.entries(WAYS)) {
  test(`B3, B4: npm test ends, fails and leaves no process when a set-up ${what}`, async () => {
    const { status, output } = await npmTest(['test/scripts/broken-set-up.ts'], {
      BROKEN: how,
      ...(how === 'hangs' ? { LIMPET_TEST_FILE_MS: '5000' } : {}),
    });
    assert.equal(status, 1, output);
    const pids = /processes: ([\d ]+)/.exec(output)?.[1]?.split(' ') ?? [];
    assert.equal(pids.length, 4, output);
    assert.deepEqual(pids.filter(isRunning), [], output);
    if (how === 'skipped') assert.match(output, /skipped for a reason that is not in .*: because: a test/);
    if (how === 'forgotten') assert.match(output, /left running, end it in an after\(\): .*start -c/);
  });
}

const PASSED_ALONE = /FAILED AMONG OTHERS, PASSED ALONE .*:\n {2}test\/scripts\/fails-at-first\.ts: a test\n/;
for (const [name, { fails, more, env, passes, lists }] of Object.entries({
  'a file that fails among others and passes alone is named, and the run passes': {
    fails: 1,
    more: [],
    env: {},
    passes: true,
    lists: true,
  },
  '--once gives no second chance': { fails: 1, more: ['--once'], env: {}, passes: false, lists: false },
  'LIMPET_TEST_ONCE gives no second chance': {
    fails: 1,
    more: [],
    env: { LIMPET_TEST_ONCE: '1' },
    passes: false,
    lists: false,
  },
  'a file that fails alone, too, fails the run': { fails: 2, more: [], env: {}, passes: false, lists: false },
})) {
  test(`B5: npm test: ${name}`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'limpet-second-'));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const { status, output } = await npmTest(
      ['test/scripts/fails-at-first.ts', 'test/http1/reason-phrases.test.ts', ...more],
      { LIMPET_TEST_ONCE: '', FAILS: String(fails), RUNS: join(directory, 'runs'), ...env },
    );
    assert.equal(status, passes ? 0 : 1, output);
    assert.equal(PASSED_ALONE.test(output), lists, output);
  });
}

test('B5: npm test: a run that a signal ends fails, whatever would pass alone', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-second-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const { status, output } = await npmTest(['test/scripts/fails-at-first.ts', 'test/scripts/stops-its-run.ts'], {
    LIMPET_TEST_ONCE: '',
    FAILS: '1',
    RUNS: join(directory, 'runs'),
  });
  assert.equal(status, 1, output);
  assert.doesNotMatch(output, PASSED_ALONE);
});

/** What a Debian without a package more has (its packages are essential), and Node. */
const ALWAYS_THERE = ['sh', 'env', 'tar', 'mkfifo', 'script', 'ldd', 'sleep', 'npm', 'node'];
/** Looked for by tests of what not every machine has to have; they say so on the list of skips. */
const NOT_NEEDED = ['podman', 'docker'];

test('B3: npm test installs every program that a test runs', () => {
  const run = /\b(?:spawn|spawnSync|execFile|execFileSync|promisify\(execFile\)|lacks)\(\s*'([\w.-]+)'/g;
  const found = /\bfindProgram\(\s*\[([^\]]*)\]/g;
  const wanted = new Map<string, string>();
  for (const file of globSync('test/**/*.ts', { cwd: ROOT })) {
    const text = readFileSync(ROOT + file, 'utf8');
    for (const [, name] of text.matchAll(run)) wanted.set(name!, file);
    if (text.includes('const run = promisify(execFile)'))
      for (const [, name] of text.matchAll(/\brun\(\s*'([\w.-]+)'/g)) wanted.set(name!, file);
    for (const [, names] of text.matchAll(found))
      for (const [, name] of names!.matchAll(/'([^']+)'/g)) wanted.set(name!, file);
  }
  const known = [...TEST_PROGRAMS.flatMap(({ names }) => names), ...ALWAYS_THERE, ...NOT_NEEDED];
  const unknown = [...wanted].filter(([name]) => !known.includes(name));
  assert.deepEqual(unknown, [], 'put them into scripts/test-programs.ts, or say here that every Debian has them');
});
