import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spread } from '../statistics.ts';

/** Does what is measured `times` times. */
export type Pass = (times: number) => void;

/** Makes the passes of one area by name, with the modules of the checkout at `root`. */
export type Suite = (root: string) => Promise<Readonly<Record<string, Pass>>>;

/** A module of a checkout, such as `src/http1/head.ts`, or where an older checkout has it. */
export async function moduleOf<M>(root: string, path: string, formerly?: string): Promise<M> {
  const found = formerly !== undefined && !existsSync(join(root, path)) ? formerly : path;
  return (await import(pathToFileURL(join(root, found)).href)) as M;
}

/** A pass that calls `work` with the numbers from 0 on. */
export function calls(work: (n: number) => unknown): Pass {
  let turn = 0;
  return (times) => {
    for (let i = 0; i < times; i++) work(turn++);
  };
}

/** A round takes at least so long, in µs of CPU time. */
const ROUND_US = 5_000;
/**
 * V8 optimises in the background, and more than once: so much CPU time goes by before the first round that counts, µs.
 */
const WARM_US = 250_000;
const ROUNDS = 9;

/**
 * Nanoseconds of CPU time a call (which other load on the machine disturbs less than time on the clock): the median of
 * several rounds, after some that are the compiler's.
 */
export function measurePass(pass: Pass): number {
  let times = 1;
  for (let took = 0, all = 0; took < ROUND_US || all < WARM_US; all += took) {
    took = cpuOf(pass, times);
    if (took < ROUND_US) times *= 2;
  }
  const rounds = Array.from({ length: ROUNDS }, () => (cpuOf(pass, times) * 1000) / times);
  return spread(rounds).median;
}

function cpuOf(pass: Pass, times: number): number {
  const start = process.cpuUsage();
  pass(times);
  const { user, system } = process.cpuUsage(start);
  return user + system;
}
