import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { compareSeries, renderComparisons } from '../../bench/report/comparison.ts';

const script = fileURLToPath(new URL('../../bench/diff.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

function isRepository(): boolean {
  try {
    execFileSync('git', ['-C', root, 'rev-parse', '--verify', 'HEAD'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
}

test('a change counts only when all rounds agree and it is more than 3 %', () => {
  const verdict = (after: readonly number[]) => compareSeries('x', 'ns', [100, 200, 100], after).verdict;
  assert.equal(verdict([110, 220, 104]), 'slower');
  assert.equal(verdict([110, 220, 99]), 'same');
  assert.equal(verdict([102, 204, 102]), 'same');
  assert.equal(verdict([90, 180, 97]), 'faster');
});

test('what one side does not have is not compared, and the reason stands there', () => {
  const comparisons = [
    compareSeries('find', 'ns', [100], [120]),
    compareSeries('new', 'ns', ['it is not there'], [10]),
    compareSeries('none', 'ns', [], [10]),
  ];
  assert.deepEqual(renderComparisons(comparisons).split('\n'), [
    'find         100.0 -> 120.0 ns  1.200 (1.200 to 1.200)  SLOWER',
    'new   not compared (before: it is not there)',
    'none  not compared (before: nothing was measured)',
  ]);
});

test('the working tree is compared with a revision', {
  skip: isRepository() ? false : 'needs Linux and the repository',
}, async () => {
  const args = [script, 'HEAD', '--rounds', '1', '--micro', 'rendezvous', '--cases', 'none'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(stdout, /rendezvous: 3 backends, equal weights +[\d.]+ -> [\d.]+ ns +[\d.]+ \(/);
  assert.doesNotMatch(stdout, /not compared/);
});

test('a revision that does not exist is one line', {
  skip: isRepository() ? false : 'needs Linux and the repository',
}, async () => {
  await assert.rejects(
    promisify(execFile)(process.execPath, [script, 'no-such-revision']),
    (error: { stderr: string }) => {
      assert.match(error.stderr, /bench: cannot read the revision no-such-revision/);
      assert.doesNotMatch(error.stderr, /\n\s+at /);
      return true;
    },
  );
});
