import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram } from '../machine.ts';
import type { Found } from './proxy-kind.ts';

const run = promisify(execFile);

/**
 * The version that an installed program tells: the first match of a group in what it prints. `debian`: the package that
 * it is in.
 */
export async function versionOf(program: string, argument: string, pattern: RegExp, debian: string): Promise<Found> {
  const path = findProgram(program);
  if (path === null) return { missing: `${program} is not installed (apt-get install ${debian})`, debian };
  const { stdout, stderr } = await run(path, [argument]);
  return { version: pattern.exec(stdout + stderr)?.[1] ?? 'unknown' };
}
