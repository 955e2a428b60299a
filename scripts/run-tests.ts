import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ALLOWED_SKIPS } from './allowed-skips.ts';
import type { Outcome } from './outcome-reporter.ts';

/** Marks every process of this run, however far down. */
const MARK = 'LIMPET_TEST_RUN';
/** Files at once: a good part of their time they wait. */
const AT_ONCE = Math.min(Math.max(2 * availableParallelism(), 4), 8);
/** When more files fail, a busy machine is not why: none of them is run again. */
const MOST_AGAIN = 20;

interface Run {
  readonly status: number;
  readonly outcomes: readonly Outcome[];
  /** All files were run to their end, and no signal came. */
  readonly hasEnded: boolean;
}

/**
 * Runs files of tests and settles with the exit status: 0 when all passed and none was skipped but for a reason on the
 * list. A file that failed among others is run once more alone, and what passes then counts as passed, and is named at
 * the end. No process of theirs is left when it settles.
 * @param once no file is run a second time
 * @param mostMs what a test may take
 */
export async function runTests(
  files: readonly string[],
  root: string,
  once: boolean,
  mostMs = 300_000,
): Promise<number> {
  const first = await runFiles(files, root, mostMs);
  let { status, outcomes } = first;
  const failed = outcomes.filter(({ what }) => what === 'failed');
  const again = [...new Set(failed.map(({ file }) => file))];
  const passedAlone: Outcome[] = [];
  // One that was ended from outside says nothing of the files that it had not come to.
  const isWorthwhile =
    status !== 0 && first.hasEnded && files.length > 1 && again.length > 0 && again.length <= MOST_AGAIN;
  if (isWorthwhile && !once) {
    status = 0;
    for (const file of again) {
      console.error(`\nfailed among others, run again alone: ${relative(root, file)}`);
      const run = await runFiles([file], root, mostMs);
      outcomes = [...outcomes, ...run.outcomes];
      if (!run.hasEnded) return 1;
      if (run.status === 0) passedAlone.push(...failed.filter((outcome) => outcome.file === file));
      else status = run.status;
    }
  }
  const unlisted = outcomes.filter(
    ({ what, reason }) => what === 'skipped' && !ALLOWED_SKIPS.some((allowed) => allowed.test(reason)),
  );
  for (const { reason, name } of unlisted)
    console.error(`skipped for a reason that is not in scripts/allowed-skips.ts: ${reason || 'none'}: ${name}`);
  if (passedAlone.length > 0) {
    console.error('\nFAILED AMONG OTHERS, PASSED ALONE (a bound that a busy machine breaks, or a race):');
    for (const { file, name } of passedAlone) console.error(`  ${relative(root, file)}: ${name}`);
  }
  return unlisted.length > 0 && status === 0 ? 1 : status;
}

/** Runs files, some at a time. */
async function runFiles(files: readonly string[], root: string, mostMs: number): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-tests-'));
  const lines = join(directory, 'outcomes');
  const mark = `${process.pid}-${Date.now()}`;
  const args = [
    '--test',
    `--test-concurrency=${AT_ONCE}`,
    `--test-timeout=${mostMs}`,
    '--test-force-exit',
    `--import=${root}test/support/end-children.ts`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${root}scripts/outcome-reporter.ts`,
    `--test-reporter-destination=${lines}`,
  ];
  const runner = spawn(process.execPath, [...args, ...files], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: mark },
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  let isStopped = false;
  const pass = (signal: NodeJS.Signals): void => {
    isStopped = true;
    runner.kill(signal);
  };
  for (const signal of signals) process.on(signal, pass);
  const status = await new Promise<number>((resolve) => {
    runner.once('error', () => resolve(1));
    runner.once('exit', (code) => resolve(code ?? 1));
  });
  for (const signal of signals) process.off(signal, pass);
  endAll(mark);
  const outcomes = readOutcomes(lines);
  rmSync(directory, { recursive: true, force: true });
  const hasEnded = !isStopped && outcomes.some(({ what }) => what === 'ended');
  return { status: hasEnded ? status : status || 1, outcomes, hasEnded };
}

function readOutcomes(file: string): Outcome[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Outcome);
}

/**
 * Ends what outlived the file that started it: that one was killed itself, or it was a process of a process. Linux
 * only.
 */
function endAll(mark: string): void {
  if (process.platform !== 'linux') return;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!(pid > 0) || pid === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${mark}`)) continue;
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended, or is somebody else's.
    }
  }
}
