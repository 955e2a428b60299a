/** limpet next to other proxies, case by case: `npm run bench -- --help`. How and why: NOTES.md. */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from './bench-error.ts';
import { type Options, parseOptions } from './options.ts';
import { isValid } from './report/report.ts';
import { renderText } from './report/text.ts';
import { writeReport } from './report/write.ts';
import { runSuite } from './suite.ts';
import { withProcesses } from './with-processes.ts';

const args = process.argv.slice(2);

await withProcesses(async (processes, directory) => {
  const options = read();
  const day = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const results = fileURLToPath(new URL(`./results/${day}/`, import.meta.url));
  const folder = options.out === null ? results : resolve(options.out);
  const report = await runSuite({
    options,
    command: ['npm run bench --', ...args].join(' '),
    processes,
    directory,
    progress: (text) => console.error(text),
    onCase: (so) => writeReport(folder, so),
  });
  writeReport(folder, report);
  console.log(`\n${renderText(report)}`);
  console.log(`Written to ${join(folder, 'report.html')}, report.json and report.txt`);
  return isValid(report) ? 0 : 1;
});

function read(): Options {
  try {
    return parseOptions(args);
  } catch (cause) {
    throw new BenchError((cause as Error).message, { cause });
  }
}
