import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { spread } from '../statistics.ts';

/** A version of a module, for a measurement side by side. */
export interface Version<M> {
  readonly path: string;
  readonly module: M;
}

/** The version in this tree, and those whose paths are given on the command line. */
export function versions<M>(own: string): Promise<Version<M>[]> {
  const paths = [new URL(own, import.meta.url).pathname, ...process.argv.slice(2).map((path) => resolve(path))];
  return Promise.all(paths.map(async (path) => ({ path, module: (await import(pathToFileURL(path).href)) as M })));
}

/** A round takes at least so long, in ms of CPU time. */
const ROUND_MS = 10;

/**
 * Measures every subject with every version, round by round in turn, and prints the median of each: ns of CPU time a pass,
 * which other load on the machine disturbs less than time on the clock.
 * @param pass runs a subject `times` times
 */
export function compare<M>(
  list: readonly Version<M>[],
  subjects: Readonly<Record<string, (module: M) => (times: number) => void>>,
  rounds = 40,
): void {
  for (const [name, make] of Object.entries(subjects)) {
    const passes = list.map(({ module }) => make(module));
    const results: number[][] = list.map(() => []);
    let times = 1;
    for (let took = 0; took < ROUND_MS; times *= 2) {
      const start = process.cpuUsage();
      passes[0]!(times);
      took = process.cpuUsage(start).user / 1000;
    }
    for (let round = -10; round < rounds; round++) {
      for (let k = 0; k < list.length; k++) {
        // The order changes from round to round: no version always comes first.
        const which = (k + round + 10) % list.length;
        const start = process.cpuUsage();
        passes[which]!(times);
        const { user, system } = process.cpuUsage(start);
        // The first rounds are the compiler's.
        if (round >= 0) results[which]!.push(((user + system) * 1000) / times);
      }
    }
    for (const [k, { path }] of list.entries()) {
      const { median, min } = spread(results[k]!);
      const label = list.length > 1 ? ` ${path}` : '';
      console.log(`${name}: ${median.toFixed(0)} ns, at best ${min.toFixed(0)}${label}`);
    }
  }
}
