import { spread } from '../statistics.ts';
import { FEW } from './options.ts';
import { type Latencies, middle } from './requests.ts';
import type { LongestTurns, ScaleResult, WorkersResult, Writing } from './result.ts';

/** What is expected of limpet. */
const BARS = { p99Ratio: 1.2, bytesPerSession: 100, pauseMs: 20 };

/** The results as a table, and what misses the bars. */
export function renderScale({ machine, options, few, many, runs }: ScaleResult): string {
  const { cpu, cores, memoryGiB, node, loadBefore } = machine;
  const sizes = [FEW, options.sessions].map((sessions) => sessions.toLocaleString('en')) as [string, string];
  const rows: [string, ...string[]][] = [];
  const row = (name: string, cell: (run: WorkersResult) => string): void => {
    rows.push([name, ...runs.map(cell)]);
  };
  row('', ({ workers }) => `workers: ${workers}`);
  row('start, no snapshot, ms', ({ emptyMs }) => String(emptyMs));
  row(`start, ${sizes[0]} sessions, ms`, (run) => String(run.few.readyMs));
  row(`start, ${sizes[1]} sessions, ms`, (run) => String(run.many.readyMs));
  row('  of this for reading rows', (run) => String(run.many.loadMs));
  row('sessions there after the start', (run) => run.many.sessions.toLocaleString('en'));
  row('sessions there at the end', (run) => run.many.sessionsAfter.toLocaleString('en'));
  row(`resident, ${sizes[0]} sessions, MB`, (run) => megabytes(run.few.resident));
  row(`resident, ${sizes[1]} sessions, MB`, (run) => megabytes(run.many.resident));
  row('  after all load and writes', (run) => megabytes(run.many.residentAfter));
  row('bytes a session, resident', (run) => run.bytesPerSession.toFixed(1));
  row('bytes a session, shared memory', (run) => (run.tableBytes / options.sessions).toFixed(1));
  for (const [name, figure] of FIGURES) {
    row(`${name}, ${sizes[0]} sessions, ms`, (run) => middle(run.few.rounds)[figure].toFixed(2));
    row(`${name}, ${sizes[1]} sessions, ms`, (run) => middle(run.many.rounds)[figure].toFixed(2));
  }
  row('p99, ratio', ({ p99Ratio }) => p99Ratio.toFixed(2));
  row('  of each round', ({ few, many }) =>
    many.rounds.map(({ p99 }, round) => (p99 / few.rounds[round]!.p99).toFixed(2)).join(' '),
  );
  for (const [size, which] of [
    [sizes[0], 'few'],
    [sizes[1], 'many'],
  ] as const) {
    row(`p99 without stolen time, ${size} sessions, ms (of %)`, (run) =>
      run[which].rounds.map(({ calm }) => `${calm.p99.toFixed(1)} (${(calm.kept * 100).toFixed(0)})`).join(' '),
    );
  }
  row('  ratio', ({ calmP99Ratio }) => calmP99Ratio?.toFixed(2) ?? 'no round had any');
  row('p99 from its sending, ratio', ({ sentP99Ratio }) => sentP99Ratio.toFixed(2));
  row('snapshot, MB', ({ loaded }) => megabytes(loaded.writes[0]?.bytes ?? 0));
  for (const kind of ['loaded', 'quiet'] as const) {
    const rate = runs[0]![kind].rate;
    const of = (name: string, cell: (writing: Writing) => string): void =>
      row(`${rate}/s: ${name}`, (run) => cell(run[kind]));
    of('snapshots written', ({ writes }) => String(writes.length));
    of('a write, ms', ({ writes }) => spread(writes.map(({ from, to }) => to - from)).median.toFixed(0));
    for (const [name, figure] of FIGURES)
      of(`${name} while written / between, ms`, ({ during, between }) => pair(during[figure], between[figure]));
    of('longest from its sending, ms', ({ during, between }) => pair(during.sentMax, between.sentMax));
    of('generator late, longest, ms', ({ during, between }) => pair(during.late, between.late));
    for (const thread of ['a worker', 'the supervisor'] as const) {
      of(`longest turn of ${thread}, ms`, (writing) => pair(...turnOf(writing, thread, false)));
      of('  its own: CPU and locks', (writing) => pair(...turnOf(writing, thread, true)));
    }
  }
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const table = rows.map(
    ([name, ...cells]) => name.padEnd(width) + cells.map((cell) => `  ${cell.padStart(18)}`).join(''),
  );
  const ns = (value: number): string => value.toFixed(0);
  return [
    `${sizes[1]} sessions next to ${sizes[0]}: ${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, load ${loadBefore} before`,
    `${options.rounds} rounds of ${options.seconds} s each at ${options.rate} requests a second; latencies from when a request was due`,
    `a lookup, ns of CPU time: hit ${ns(few.hitNs)} and ${ns(many.hitNs)}, miss ${ns(few.missNs)} and ${ns(many.missNs)}`,
    '',
    ...table,
    '',
    ...runs.flatMap(verdicts),
  ].join('\n');
}

const FIGURES: readonly (readonly [string, keyof Latencies])[] = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p99 from its sending', 'sentP99'],
  ['p99.9', 'p999'],
  ['longest', 'max'],
];

function verdicts({ workers, p99Ratio, calmP99Ratio, bytesPerSession, loaded, quiet }: WorkersResult): string[] {
  const check = (what: string, value: number, bar: number, unit = ''): string =>
    `workers: ${workers}: ${what} ${value.toFixed(2)}${unit}, at most ${bar} wanted: ${value <= bar ? 'met' : 'MISSED'}`;
  const pause = Math.max(...[loaded, quiet].map((writing) => turnOf(writing, 'a worker', true)[0]));
  return [
    calmP99Ratio === null
      ? check('p99 ratio, stolen time included,', p99Ratio, BARS.p99Ratio)
      : check('p99 ratio', calmP99Ratio, BARS.p99Ratio),
    check('bytes a session', bytesPerSession, BARS.bytesPerSession),
    check('longest turn of a worker while a snapshot is written, its own,', pause, BARS.pauseMs, ' ms'),
    check('longest request at a small rate meanwhile, from its sending,', quiet.during.sentMax, BARS.pauseMs, ' ms'),
  ];
}

type Threads = 'a worker' | 'the supervisor';

function turnsOf({ turns }: Writing, which: Threads): LongestTurns[] {
  return turns.filter(({ thread }) => (thread === 'supervisor') === (which === 'the supervisor'));
}

/** Longest turn while snapshots were written, and between. */
function turnOf(writing: Writing, which: Threads, own: boolean): [number, number] {
  const chosen = turnsOf(writing, which);
  const longest = (figure: 'during' | 'between' | 'ownDuring' | 'ownBetween'): number =>
    Math.max(...chosen.map((turns) => turns[figure]));
  return own ? [longest('ownDuring'), longest('ownBetween')] : [longest('during'), longest('between')];
}

function pair(during: number, between: number): string {
  return `${during.toFixed(2)} / ${between.toFixed(2)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
