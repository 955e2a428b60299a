/**
 * CPU time per proxied request of limpet, HAProxy, nginx and http-proxy, measured side by side: `npm run bench -- --help`.
 * How and why: NOTES.md.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from './bench-error.ts';
import { type Options, parseOptions } from './options.ts';
import { Processes } from './processes.ts';
import { problem, type Report, renderReport } from './report.ts';
import { run } from './run.ts';

const args = process.argv.slice(2);
const processes = new Processes();
const directory = mkdtempSync(join(tmpdir(), 'limpet-bench-'));
process.once('exit', () => {
  processes.killAll();
  rmSync(directory, { recursive: true, force: true });
});
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second one does not wait: the exit handler kills what is left.
    if (stopping) process.exit(130);
    stopping = true;
    console.error(`\n${signal}: stopping`);
    processes.stopAll().finally(() => process.exit(130));
  });
}

try {
  const options = parseOptions(args);
  const command = ['npm run bench --', ...args].join(' ');
  const report = await run({ options, command, processes, directory, progress: (text) => console.error(text) });
  await processes.stopAll();
  console.log(`\n${renderReport(report)}`);
  if (options.json !== null) writeJson(options.json, report);
  process.exitCode = isValid(report, options) ? 0 : 1;
} catch (error) {
  await processes.stopAll();
  // What fails because everything is being stopped is no news.
  if (stopping) process.exit(130);
  // Bad usage and failures with a reason are one line; anything else is a defect of the benchmark and shows its stack.
  console.error(error instanceof BenchError ? `bench: ${error.message}` : error);
  process.exitCode = 1;
}

function isValid(report: Report, options: Options): boolean {
  const parts = report.proxies.flatMap(({ closed, paced }) => (options.rate === null ? [closed] : [closed, paced]));
  return parts.every((samples) => problem(samples) === null);
}

function writeJson(file: string, report: Report): void {
  const results = fileURLToPath(new URL('./results/', import.meta.url));
  const path = basename(file) === file ? join(results, file) : resolve(file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`Written to ${path}`);
}
