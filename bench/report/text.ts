import type { Sample } from '../measure.ts';
import { spread } from '../statistics.ts';
import { noiseOf } from './noise.ts';
import { type CaseReport, type Measured, problem, type Report, ratioTo } from './report.ts';

/** The report for people: what was measured on what, one table for each case, and how to read them. */
export function renderText(report: Report): string {
  const { machine, options, tools, proxies } = report;
  const versions = [...Object.entries(tools), ...proxies.map(({ name, version }) => [name, version] as const)];
  const head = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}, load average before ${machine.loadBefore}`,
    versions.map(([name, version]) => `${name} ${version}`).join(', '),
    ...proxies.map(({ name, setup }) => `  ${name}: ${setup}`),
    ...report.leftOut.map(({ name, reason }) => `  ${name} LEFT OUT: ${reason}`),
    `${options.connections} connections, ${options.sessions} sessions, ${options.rounds} rounds of ${options.seconds} s, ${report.pinned ? 'the proxy alone on one core' : 'nothing pinned'}`,
  ].join('\n');
  const blocks = report.cases.map((one) => {
    const left = one.leftOut.map(({ name, reason }) => `  left out: ${name}: ${reason}`);
    return [`== ${one.case.name}: ${one.case.title}${detail(one)}`, ...left, table(one)].join('\n');
  });
  const failed = report.failed.map(({ name, reason }) => `FAILED ${name}: ${reason}`);
  const notes = [
    "CPU: user and system time of the proxy's processes over the requests served. Ratios: median of the rounds' own ratios.",
    noiseOf(report),
    `Made by: ${report.command} (${report.seconds} s)`,
  ];
  return `${[head, ...blocks, ...failed, notes.join('\n')].join('\n\n')}\n`;
}

function detail(one: CaseReport): string {
  if (one.kind !== 'requests') return '';
  const alone = one.ceiling === null ? '' : `, which reaches ${one.ceiling.toFixed(0)}/s with no proxy between`;
  return ` (load by ${one.load}${alone})`;
}

function table(one: CaseReport): string {
  switch (one.kind) {
    case 'requests':
      return align(requestRows(one.proxies));
    case 'idle':
      return align([
        ['proxy', 'connections', 'bytes each', 'min-max'],
        ...one.proxies.map(({ name, connections, bytesEach }) => {
          const { median, min, max } = spread(bytesEach);
          return [name, String(connections), median.toFixed(0), `${min.toFixed(0)}-${max.toFixed(0)}`];
        }),
      ]);
    case 'failover':
      return align([
        ['proxy', 'errors', 'min-max', 'sessions moved', 'last moved ms', 'min-max', 'longest wait ms', 'what'],
        ...one.proxies.map(({ name, runs }) => {
          const errors = spread(runs.map((run) => run.errors));
          const last = spread(runs.map((run) => run.lastMs));
          const moved = runs.reduce((sum, run) => sum + run.moved, 0);
          const held = runs.reduce((sum, run) => sum + run.sessions, 0);
          const kinds = new Set(runs.flatMap((run) => Object.keys(run.errorKinds)));
          return [
            name,
            errors.median.toFixed(0),
            `${errors.min}-${errors.max}`,
            `${moved}/${held}`,
            last.median.toFixed(0),
            `${last.min.toFixed(0)}-${last.max.toFixed(0)}`,
            spread(runs.map((run) => run.longestMs)).median.toFixed(0),
            [...kinds].join(', ') || '-',
          ];
        }),
      ]);
  }
}

function requestRows(proxies: readonly Measured[]): string[][] {
  const ratio = (samples: readonly Sample[], name: string) => {
    const other = proxies.find((measured) => measured.name === name);
    return other === undefined ? '-' : ratioTo(samples, other.closed).median.toFixed(2);
  };
  const rows = proxies.map(({ name, closed, paced, offered, peakMemory }) => {
    const column = (pick: (sample: Sample) => number, samples = closed) => spread(samples.map(pick));
    const total = column((sample) => sample.total);
    const latency = (pick: (sample: Sample) => number) =>
      paced.length === 0 ? '-' : column(pick, paced).median.toFixed(2);
    return [
      name,
      total.median.toFixed(1),
      `${total.min.toFixed(1)}-${total.max.toFixed(1)}`,
      column((sample) => sample.user).median.toFixed(1),
      column((sample) => sample.system).median.toFixed(1),
      ratio(closed, 'haproxy'),
      ratio(closed, 'nginx'),
      ratio(closed, 'http-proxy'),
      column((sample) => sample.rate).median.toFixed(0),
      column((sample) => sample.cores).median.toFixed(2),
      offered === null ? '-' : String(offered),
      latency((sample) => sample.p50),
      latency((sample) => sample.p99),
      latency((sample) => sample.p999),
      paced.length === 0 ? '-' : (column((sample) => sample.kept ?? 1, paced).median * 100).toFixed(0),
      (peakMemory / 2 ** 20).toFixed(0),
      problem(closed) ?? problem(paced) ?? '0',
    ];
  });
  const cpu = ['proxy', 'CPU µs', 'min-max', 'user', 'system', 'x HAProxy', 'x nginx', 'x http-proxy'];
  return [[...cpu, 'req/s', 'cores', 'at rate', 'p50 ms', 'p99', 'p99.9', 'of %', 'peak MiB', 'errors'], ...rows];
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  const [header, ...body] = rows.map(line);
  return [header, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n');
}
