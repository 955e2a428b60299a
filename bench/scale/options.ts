import yargs from 'yargs';
import { whole } from '../whole.ts';

/** The size that the large one is compared with. */
export const FEW = 10_000;

/** What the benchmark of the session table at scale was asked to do. */
export interface ScaleOptions {
  readonly sessions: number;
  /** Length of a measured round. */
  readonly seconds: number;
  readonly rounds: number;
  /** Requests a second. */
  readonly rate: number;
  /** Folder of the results; null: a new one in bench/results/. */
  readonly out: string | null;
}

/** Reads the command line. Throws an Error that says what is wrong; prints the help and ends the process on --help. */
export function parseScaleOptions(args: readonly string[]): ScaleOptions {
  const { sessions, seconds, rounds, rate, out } = yargs(args)
    .scriptName('npm run bench:scale --')
    .usage(
      `The session table at scale, in a limpet that runs: memory, lookups, latency next to one with ${FEW.toLocaleString('en')} sessions, snapshots, pauses.`,
    )
    .options({
      sessions: { type: 'number', default: 10_000_000, describe: 'resident sessions', requiresArg: true },
      seconds: { type: 'number', default: 10, describe: 'length of a measured round', requiresArg: true },
      rounds: { type: 'number', default: 3, describe: 'measured rounds of each size', requiresArg: true },
      rate: { type: 'number', default: 4000, describe: 'requests a second', requiresArg: true },
      out: { type: 'string', describe: 'folder of the results (a new one in bench/results/)', requiresArg: true },
    })
    .strict()
    .version(false)
    .fail((message, error) => {
      throw error ?? new Error(message);
    })
    .parseSync();
  return {
    sessions: whole('sessions', sessions, 10 * FEW),
    seconds: whole('seconds', seconds, 1),
    rounds: whole('rounds', rounds, 1),
    rate: whole('rate', rate, 100),
    out: out ?? null,
  };
}
