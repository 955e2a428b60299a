import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findProgram } from '../test/support/find-program.ts';
import { TEST_PROGRAMS, type TestProgram } from './test-programs.ts';

/**
 * Installs the programs that these files of tests run where Debian's packages can be installed; elsewhere it says what
 * is missing and ends the process.
 * @param isReal of `npm run test:real`
 */
export function needPrograms(files: readonly string[], isReal: boolean): void {
  const isMissing = ({ names, variable }: TestProgram): boolean => findProgram(names, variable) === null;
  const needed = TEST_PROGRAMS.filter(
    ({ tests, real, ...program }) =>
      (isReal || real !== true) && files.some((file) => tests?.test(file) ?? true) && isMissing(program),
  );
  if (needed.length === 0) return;
  if (process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    // RUNLEVEL=1 keeps the packages' scripts from starting their services.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
    const options = { stdio: 'inherit', env } as const;
    const packages = needed.map(({ debian }) => debian);
    spawnSync('apt-get', ['update', '-q'], options);
    spawnSync('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...packages], options);
  }
  const missing = needed.filter(isMissing);
  for (const { names, debian, variable } of missing) {
    const otherwise = variable === '' ? '' : ` (or name one in the environment variable ${variable})`;
    console.error(`tests need ${names[0]}: apt-get install ${debian}${otherwise}`);
  }
  if (missing.length > 0) process.exit(1);
}
