import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ALLOWED_SKIPS } from './allowed-skips.ts';

/** Marks every process of this run, however far down. */
const MARK = 'LIMPET_TEST_RUN';

/**
 * Runs files of tests and settles with the exit status: 0 when all passed and none was skipped but for a reason on the list.
 * No process of theirs is left when it settles.
 */
export async function runTests(files: readonly string[], root: string): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-tests-'));
  const skips = join(directory, 'skips');
  const mark = `${process.pid}-${Date.now()}`;
  const args = [
    '--test',
    '--test-concurrency=3',
    '--test-timeout=120000',
    '--test-force-exit',
    `--import=${root}test/support/end-children.ts`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${root}scripts/skip-reporter.ts`,
    `--test-reporter-destination=${skips}`,
  ];
  const runner = spawn(process.execPath, [...args, ...files], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: mark },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => runner.kill(signal));
  const status = await new Promise<number>((resolve) => {
    runner.once('error', () => resolve(1));
    runner.once('exit', (code) => resolve(code ?? 1));
  });
  endAll(mark);
  const unlisted = readSkips(skips).filter(({ reason }) => !ALLOWED_SKIPS.some((allowed) => allowed.test(reason)));
  for (const { reason, name } of unlisted)
    console.error(`skipped for a reason that is not in scripts/allowed-skips.ts: ${reason || 'none'}: ${name}`);
  rmSync(directory, { recursive: true, force: true });
  return unlisted.length > 0 && status === 0 ? 1 : status;
}

function readSkips(file: string): { reason: string; name: string }[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [reason = '', ...name] = line.split('\t');
      return { reason, name: name.join(' ') };
    });
}

/** Ends what outlived the file that started it: that one was killed itself, or it was a process of a process. Linux only. */
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
