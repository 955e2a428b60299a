import { spread } from '../statistics.ts';

const OPERATIONS = 200_000;
const ROUNDS = 9;

/**
 * Prints what `run` costs, in ns of CPU time a call: median, smallest and largest of several rounds, after one that is
 * the compiler's.
 */
export function printCost(name: string, run: (n: number) => unknown): void {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.cpuUsage();
    for (let n = 0; n < OPERATIONS; n++) run(n);
    const { user, system } = process.cpuUsage(begin);
    if (round > 0) times.push(((user + system) * 1000) / OPERATIONS);
  }
  const { median, min, max } = spread(times);
  console.log(`${name}: ${median.toFixed(0)} ns (${min.toFixed(0)} to ${max.toFixed(0)})`);
}
