import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { BenchError } from '../bench-error.ts';
import { findProgram } from '../machine.ts';
import type { Generator } from './load.ts';
import { workerGenerator } from './worker.ts';
import { wrkGenerator } from './wrk.ts';

export type GeneratorName = 'wrk' | 'autocannon';

/** The generator of a closed loop over HTTP. `directory` takes wrk's scripts. */
export function httpGenerator(name: GeneratorName, directory: string): Generator {
  if (name === 'autocannon') return workerGenerator('./autocannon-worker.ts');
  const program = findProgram('wrk');
  if (program === null) throw new BenchError('wrk is not installed (not on PATH): use --load autocannon');
  return wrkGenerator(program, directory);
}

/** Messages over WebSockets in a closed loop. */
export const websocketGenerator: Generator = workerGenerator('./websocket-worker.ts');

/** Requests at a fixed rate. */
export const pacedGenerator: Generator = workerGenerator('./paced-worker.ts');

/** The versions of the generators that are installed, by name. */
export async function generatorVersions(): Promise<Record<string, string>> {
  const file = createRequire(import.meta.url).resolve('autocannon/package.json');
  const { version: autocannon } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  if (findProgram('wrk') === null) return { autocannon };
  // wrk tells its version with its usage and ends with status 1.
  const told = await promisify(execFile)('wrk', ['-v']).catch((error: { stdout: string; stderr: string }) => error);
  return { autocannon, wrk: /^wrk (?:debian\/)?(\S+)/m.exec(told.stdout + told.stderr)?.[1] ?? 'unknown' };
}
