/**
 * Two revisions side by side: `npm run bench:diff -- REV`, the working tree against REV. Both run from source, in turn,
 * and each ratio is that of one round, so a machine that changes its speed changes both sides. NOTES.md says how to
 * read it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { BenchError } from './bench-error.ts';
import { CASES } from './cases/registry.ts';
import type { MicroSample } from './micro/sample.ts';
import { chosenSuites, sampleIn } from './micro/samples.ts';
import { parseOptions } from './options.ts';
import type { Processes } from './processes.ts';
import { limpet, OWN_ROOT } from './proxies/limpet.ts';
import { type Comparison, compareSeries, renderComparisons } from './report/comparison.ts';
import { problem } from './report/report.ts';
import { runSuite } from './suite.ts';
import { withProcesses } from './with-processes.ts';

const NAMES = ['before', 'after'] as const;

interface DiffOptions {
  readonly revision: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly areas: readonly string[];
  readonly cases: readonly string[];
}

await withProcesses(async (processes, directory) => {
  const options = read(process.argv.slice(2));
  const before = checkOut(options.revision, join(directory, 'before'));
  const roots = [before, OWN_ROOT] as const;
  const comparisons: Comparison[] = [];
  if (options.areas.length > 0) comparisons.push(...(await compareMicro(processes, roots, options)));
  if (options.cases.length > 0) comparisons.push(...(await compareCases(processes, directory, roots, options)));
  console.log(`\nthe working tree against ${options.revision}, ${options.rounds} rounds; above 1: it became slower`);
  console.log(renderComparisons(comparisons));
  return 0;
});

function read(args: readonly string[]): DiffOptions {
  const parsed = yargs(args)
    .scriptName('npm run bench:diff --')
    .usage('$0 REV: the working tree against another revision')
    .demandCommand(1, 1, 'name the revision to compare with, such as HEAD or main~3', 'one revision, please')
    .options({
      rounds: { type: 'number', default: 7, describe: 'rounds of both, in turn', requiresArg: true },
      seconds: { type: 'number', default: 2, describe: 'length of a round of requests', requiresArg: true },
      micro: { type: 'string', describe: 'areas with commas, or none (all)', requiresArg: true },
      cases: {
        type: 'string',
        default: '60b',
        describe: 'cases of the benchmark with commas, or none',
        requiresArg: true,
      },
    })
    .strictOptions()
    .version(false)
    .fail((message, error) => {
      throw new BenchError(message ?? error.message);
    })
    .parseSync();
  const list = (text: string): string[] => (text === 'none' ? [] : text.split(',').map((part) => part.trim()));
  for (const [name, value] of [
    ['rounds', parsed.rounds],
    ['seconds', parsed.seconds],
  ] as const)
    if (!Number.isInteger(value) || value < 1) throw new BenchError(`--${name} must be a whole number of at least 1`);
  const cases = list(parsed.cases);
  const unknown = cases.find((name) => !CASES.some((one) => one.kind === 'requests' && one.name === name));
  if (unknown !== undefined) throw new BenchError(`--cases: "${unknown}" is no case of requests`);
  return {
    revision: String(parsed._[0]),
    rounds: parsed.rounds,
    seconds: parsed.seconds,
    areas: parsed.micro === 'none' ? [] : chosenSuites(parsed.micro === undefined ? [] : list(parsed.micro)),
    cases,
  };
}

/** The files of a revision in a folder of their own; the repository is not touched. */
function checkOut(revision: string, folder: string): string {
  mkdirSync(folder);
  const git = (...args: string[]): Buffer =>
    execFileSync('git', ['-C', OWN_ROOT, ...args], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    const commit = git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`).toString().trim();
    execFileSync('tar', ['-x', '-C', folder], { input: git('archive', commit, 'src', 'package.json') });
  } catch (cause) {
    throw new BenchError(`cannot read the revision ${revision}: ${(cause as Error).message.trim()}`, { cause });
  }
  symlinkSync(join(OWN_ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

async function compareMicro(
  processes: Processes,
  roots: readonly [string, string],
  { rounds, areas }: DiffOptions,
): Promise<Comparison[]> {
  const samples: [MicroSample[], MicroSample[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    // Which one comes first changes.
    for (const which of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      samples[which].push(await sampleIn(processes, roots[which], areas));
    console.error(`micro benchmarks: round ${round + 1}/${rounds}`);
  }
  const subjects = new Set(samples.flat().flatMap((sample) => Object.keys(sample)));
  return [...subjects].map((subject) => {
    const [before, after] = samples.map((series) => series.map((sample) => sample[subject] ?? 'it is not there'));
    return compareSeries(subject, 'ns', before!, after!);
  });
}

async function compareCases(
  processes: Processes,
  directory: string,
  roots: readonly [string, string],
  { rounds, seconds, cases }: DiffOptions,
): Promise<Comparison[]> {
  const args = ['--no-install', '--rate', 'off', '--rounds', String(rounds), '--seconds', String(seconds)];
  const kinds = NAMES.map((name, index) => limpet({ name, root: roots[index]!, fromSource: true }));
  // The cases say which proxies they are meant for by name: both are limpet.
  const report = await runSuite({
    options: parseOptions([...args, '--source', '--cases', cases.join(',')]),
    command: 'npm run bench:diff',
    processes,
    directory,
    progress: (text) => console.error(text),
    kinds,
  });
  for (const { name, reason } of report.failed) console.error(`${name}: ${reason}`);
  return report.cases.flatMap((one) => {
    if (one.kind !== 'requests') return [];
    const [before, after] = NAMES.map((name) => one.proxies.find((proxy) => proxy.name === name)?.closed ?? []);
    const wrong = problem(before!) ?? problem(after!);
    if (wrong !== null) return [compareSeries(`${one.case.name}: CPU`, 'µs', [wrong], [wrong])];
    const total = (samples: typeof before) => samples!.map((sample) => sample.total);
    const rate = (samples: typeof before) => samples!.map((sample) => 1e6 / sample.rate);
    return [
      compareSeries(`${one.case.name}: CPU a request`, 'µs', total(before), total(after)),
      compareSeries(`${one.case.name}: time between answers`, 'µs', rate(before), rate(after)),
    ];
  });
}
