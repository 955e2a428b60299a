import type { Machine } from './machine.ts';
import type { Sample } from './measure.ts';
import type { Options } from './options.ts';
import { type Spread, spread } from './statistics.ts';

/** Everything that was measured of one proxy. */
export interface Measured {
  readonly name: string;
  readonly version: string;
  readonly setup: string;
  /** Closed loop: each connection sends its next request when it has its answer. */
  readonly closed: readonly Sample[];
  /** At a fixed rate; empty when none was asked for. */
  readonly paced: readonly Sample[];
  /** Requests a second that were offered in the paced part; null: there was none. */
  readonly offered: number | null;
  readonly peakMemory: number;
}

/** The whole outcome, as it is written to the JSON file. */
export interface Report {
  readonly command: string;
  readonly date: string;
  readonly machine: Machine;
  readonly tools: Readonly<Record<string, string>>;
  readonly options: Options;
  /** Requests a second that generator and backends reach with nothing between them. */
  readonly ceiling: number;
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  readonly proxies: readonly Measured[];
}

/** Above these the report says that the machine was not quiet: cores used by others, slowest over fastest round. */
const QUIET_CORES = 0.1;
const QUIET_SWING = 1.3;

/** Why a series does not count, or null. */
export function problem(samples: readonly Sample[]): string | null {
  const index = samples.findIndex((sample) => sample.problem !== null);
  return index < 0 ? null : `INVALID (round ${index + 1}: ${samples[index]!.problem})`;
}

/**
 * CPU a request as a multiple of another proxy's: taken round by round, because a machine that others use changes its speed
 * from round to round far more than within one.
 */
export function ratioTo(samples: readonly Sample[], other: readonly Sample[]): Spread {
  return spread(samples.map(({ total }, round) => total / (other[round]?.total ?? Number.NaN)));
}

/** The report for people: what was measured on what, one table for each part, and how to read them. */
export function renderReport(report: Report): string {
  const { machine, options, tools, proxies } = report;
  const versions = [...Object.entries(tools), ...proxies.map(({ name, version }) => [name, version] as const)];
  const blocks = [
    [
      `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}, load average before ${machine.loadBefore}`,
      versions.map(([name, version]) => `${name} ${version}`).join(', '),
      ...proxies.map(({ name, setup }) => `  ${name}: ${setup}`),
      ...report.leftOut.map(({ name, reason }) => `  ${name} LEFT OUT: ${reason}`),
    ].join('\n'),
    `Closed loop, ${{ off: '', 'keep-alive': 'TLS, ', handshakes: 'a TLS handshake for each request, ' }[options.tls]}${options.connections} connections, ${options.sessions} sessions, ${options.body}-byte body, ${options.headers} headers, load by ${options.load}, median of ${options.rounds} rounds of ${options.seconds} s${options.pin ? ', pinned' : ''}`,
    table(proxies, (measured) => measured.closed),
    notes(report),
  ];
  if (options.rate !== null) {
    const rates = proxies.map(({ name, offered }) => `${name} ${offered}/s`).join(', ');
    blocks.splice(
      3,
      0,
      `Fixed rate: ${rates}`,
      table(proxies, (measured) => measured.paced),
    );
  }
  return `${blocks.join('\n\n')}\n`;
}

function table(proxies: readonly Measured[], of: (measured: Measured) => readonly Sample[]): string {
  const ratio = (samples: readonly Sample[], name: string) => {
    const other = proxies.find((measured) => measured.name === name);
    return other === undefined ? '-' : ratioTo(samples, of(other)).median.toFixed(2);
  };
  const rows = proxies.map((measured) => {
    const samples = of(measured);
    const column = (pick: (sample: Sample) => number): Spread => spread(samples.map(pick));
    const total = column((sample) => sample.total);
    return [
      measured.name,
      total.median.toFixed(1),
      `${total.min.toFixed(1)}-${total.max.toFixed(1)}`,
      column((sample) => sample.user).median.toFixed(1),
      column((sample) => sample.system).median.toFixed(1),
      ratio(samples, 'haproxy'),
      ratio(samples, 'http-proxy'),
      column((sample) => sample.rate).median.toFixed(0),
      column((sample) => sample.p50).median.toFixed(2),
      column((sample) => sample.p99).median.toFixed(2),
      (measured.peakMemory / 2 ** 20).toFixed(0),
      problem(samples) ?? '0',
    ];
  });
  const header = ['proxy', 'CPU µs/request', 'min-max', 'user', 'system', 'x HAProxy', 'x http-proxy'];
  return align([[...header, 'requests/s', 'p50 ms', 'p99 ms', 'peak MiB', 'errors'], ...rows]);
}

function notes({ proxies, ceiling, command }: Report): string {
  const others = spread(proxies.flatMap(({ closed, paced }) => [...closed, ...paced].map((sample) => sample.others)));
  const swing = Math.max(
    ...proxies.map(({ closed }) => spread(closed.map(({ total }) => total))).map(({ min, max }) => max / min),
  );
  const noise = [
    ...(others.max > QUIET_CORES ? ['others were using the machine'] : []),
    ...(swing > QUIET_SWING ? [`one proxy's rounds differ by a factor of ${swing.toFixed(1)}`] : []),
  ];
  return [
    `CPU: user and system time of the proxy's processes over the requests served. Ratios: median of the rounds' own ratios.`,
    `Requests/s and latency depend on the generator too: with nothing between, generator and backends reach ${ceiling.toFixed(0)} requests/s.`,
    `Other processes used ${others.median.toFixed(2)} cores (at most ${others.max.toFixed(2)}).${noise.length > 0 ? ` NOT A QUIET MACHINE: ${noise.join('; ')}.` : ''}`,
    `Made by: ${command}`,
  ].join('\n');
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  ');
  const [header, ...body] = rows.map(line);
  return [header, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n');
}
