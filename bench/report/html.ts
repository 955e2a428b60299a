import type { Sample } from '../measure.ts';
import { spread } from '../statistics.ts';
import { type Bar, barChart, type Dots, dotChart, escapeHtml } from './chart.ts';
import { noiseOf } from './noise.ts';
import { type CaseReport, type Measured, problem, type Report } from './report.ts';
import { renderText } from './text.ts';

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --soft: #66707f; --line: #dde2ea; --p0: #2f6fde; --p1: #e0932f; --p2: #c23b4b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f; --soft: #9aa5b5; --line: #2c3542; --p0: #6ea0ff; --p1: #f0b360; --p2: #ef7484; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
svg { display: block; width: 100%; height: auto; margin: 1rem 0; font: 12px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .heading { font-weight: 600; font-size: 13px; } svg .label, svg .tick { fill: var(--soft); } svg .tick { text-anchor: middle; font-size: 11px; } svg .own { font-weight: 700; }
.part0 { fill: var(--p0); } .part1 { fill: var(--p1); } .part2 { fill: var(--p2); }
.whisker { stroke: var(--ink); fill: none; } .grid { stroke: var(--line); }
pre { overflow-x: auto; font: 12px/1.4 ui-monospace, monospace; background: color-mix(in srgb, var(--line) 35%, transparent); padding: .7rem; border-radius: 6px; }
.warning { color: var(--p2); font-weight: 600; } .soft { color: var(--soft); } summary { cursor: pointer; }
`;

/**
 * The report as one HTML page without anything from outside: plots, all figures as text, the configuration of each
 * proxy.
 */
export function renderHtml(report: Report): string {
  const { machine } = report;
  const noise = noiseOf(report);
  const left = [...report.leftOut, ...report.failed].map(
    ({ name, reason }) => `<li class="warning">${escapeHtml(name)}: ${escapeHtml(reason)}</li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>limpet next to other proxies</title>
<style>${STYLE}</style>
<h1>limpet next to other proxies</h1>
<p>${escapeHtml(`${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}`)}<br>
${report.proxies.map(({ name, version }) => escapeHtml(`${name} ${version}`)).join(', ')}<br>
<span class="soft">${escapeHtml(`${report.date}, ${report.command}, ${report.seconds} s`)}</span></p>
<p${noise.includes('NOT') ? ' class="warning"' : ''}>${escapeHtml(noise)}</p>
<ul>${report.proxies.map(({ name, setup }) => `<li>${escapeHtml(`${name}: ${setup}`)}</li>`).join('')}${left.join('')}</ul>
<p class="soft">Bars are medians of the rounds, whiskers reach from the smallest to the largest round. Latency is at a fixed rate, half of what each proxy reached, and counts from when a request was due.</p>
${report.cases.map(section).join('\n')}
<h2>All figures</h2>
<pre>${escapeHtml(renderText(report))}</pre>
</html>
`;
}

function section(one: CaseReport): string {
  const left = one.leftOut.map(({ name, reason }) => escapeHtml(`${name} (${reason})`));
  const configurations = one.proxies.map(
    ({ name, configuration }) =>
      `<details><summary>${escapeHtml(name)}</summary><pre>${escapeHtml(configuration)}</pre></details>`,
  );
  return `<section id="${one.case.name}">
<h2>${escapeHtml(one.case.title)}</h2>
${left.length > 0 ? `<p class="soft">Left out: ${left.join(', ')}</p>` : ''}
${charts(one).join('\n')}
<details><summary>Configurations</summary>${configurations.join('')}</details>
</section>`;
}

function charts(one: CaseReport): string[] {
  switch (one.kind) {
    case 'requests':
      return requestCharts(one.proxies);
    case 'idle': {
      const bars = one.proxies.map(({ name, bytesEach }) =>
        plain(
          name,
          bytesEach.map((bytes) => bytes / 1024),
          'KiB',
        ),
      );
      return [barChart('Resident memory of each idle connection, KiB', bars, [])];
    }
    case 'failover':
      return [
        barChart(
          'Errors that the clients saw',
          one.proxies.map(({ name, runs }) =>
            plain(
              name,
              runs.map(({ errors }) => errors),
              '',
            ),
          ),
          [],
        ),
        barChart(
          'Milliseconds from the kill until the last session had moved',
          one.proxies.map(({ name, runs }) =>
            plain(
              name,
              runs.map(({ lastMs }) => lastMs),
              'ms',
            ),
          ),
          [],
        ),
      ];
  }
}

function plain(name: string, values: readonly number[], unit: string): Bar {
  const { median, min, max } = spread(values);
  return { name, parts: [median], min, max, label: `${Number(median.toPrecision(3))} ${unit}`.trim() };
}

function requestCharts(proxies: readonly Measured[]): string[] {
  const invalid = ({ closed, paced }: Measured): string => ((problem(closed) ?? problem(paced)) ? ' INVALID' : '');
  const median = (samples: readonly Sample[], pick: (sample: Sample) => number) => spread(samples.map(pick)).median;
  const cpu = proxies.map((measured): Bar => {
    const { min, max } = spread(measured.closed.map(({ total }) => total));
    const parts = [median(measured.closed, ({ user }) => user), median(measured.closed, ({ system }) => system)];
    const total = median(measured.closed, (sample) => sample.total);
    return { name: measured.name, parts, min, max, label: `${total.toFixed(1)} µs${invalid(measured)}` };
  });
  const rates = proxies.map(({ name, closed }) => {
    const bar = plain(
      name,
      closed.map(({ rate }) => rate),
      '/s',
    );
    return {
      ...bar,
      label: `${bar.parts[0]!.toFixed(0)}/s with ${median(closed, ({ cores }) => cores).toFixed(2)} cores`,
    };
  });
  const latency = proxies
    .filter(({ paced }) => paced.length > 0)
    .map(({ name, paced, offered }): Dots => {
      const values = [(s: Sample) => s.p50, (s: Sample) => s.p99, (s: Sample) => s.p999].map((pick) =>
        median(paced, pick),
      );
      return { name, values, label: `${values.map((value) => value.toFixed(1)).join(' / ')} at ${offered}/s` };
    });
  const memory = proxies.map(({ name, peakMemory }) => plain(name, [peakMemory / 2 ** 20], 'MiB'));
  return [
    barChart('CPU time of a request, µs', cpu, ['user', 'system']),
    barChart('Requests a second, closed loop', rates, []),
    ...(latency.length > 0 ? [dotChart('Latency at a fixed rate, ms', latency, ['p50', 'p99', 'p99.9'])] : []),
    barChart('Highest resident memory, MiB', memory, []),
  ];
}
