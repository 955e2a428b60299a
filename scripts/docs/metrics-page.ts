import { CounterSums } from '../../src/metrics/counter-sums.ts';
import { Counters } from '../../src/metrics/counters.ts';
import { LabelledTotals } from '../../src/metrics/labelled-totals.ts';
import type { MetricsSource } from '../../src/metrics/metrics-source.ts';
import { metricsRegistry } from '../../src/metrics/registry.ts';
import { cell, GENERATED } from './markdown.ts';

/** What prom-client knows of a metric. */
interface Registered {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const INTRODUCTION = `# Metrics

${GENERATED('the registrations in src/metrics')}

\`GET /metrics\` on the admin address answers in the text format of Prometheus. With \`admin.tokenFile\`, Prometheus sends that token:

\`\`\`yaml prometheus
scrape_configs:
  - job_name: limpet
    authorization: { credentials_file: /etc/prometheus/limpet-token }
    static_configs: [{ targets: ["10.0.0.1:9900"] }]
\`\`\`

Counters begin at 0 with the process; they survive reloads and the death of a worker. A metric whose labels are listed has a series for each combination that has occurred.
A histogram has the series \`NAME_bucket\` (with the label \`le\`), \`NAME_sum\` and \`NAME_count\`.
`;

const PROCESS = `## Process

Those of Node itself, as the library prom-client gives them. Which of them exist depends on the system and on the version of Node.
`;

/** Makes docs/operate/metrics.md: every metric with its type, its labels and what it says. */
export function metricsPage(): string {
  const all = registered(true);
  const own = new Set(registered(false).map(({ name }) => name));
  const row = ({ name, type, labelNames, help }: Registered): string => {
    const labels = labelNames.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${labels || '–'} | ${cell(help.endsWith('.') ? help : `${help}.`)} |`;
  };
  const table = (metrics: readonly Registered[]): string[] => [
    '| name | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...metrics.map(row),
    '',
  ];
  const lines = [INTRODUCTION, '## limpet', '', ...table(all.filter(({ name }) => own.has(name)))];
  lines.push(PROCESS, ...table(all.filter(({ name }) => !own.has(name))));
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Nothing is collected: the source is not asked. */
function registered(processMetrics: boolean): readonly Registered[] {
  const sums = new CounterSums(Counters.allocate(1, 1, 1, 1));
  const parts = { source: {} as MetricsSource, sums, labelled: new LabelledTotals(), processMetrics };
  return metricsRegistry(parts).getMetricsAsArray() as unknown as readonly Registered[];
}
