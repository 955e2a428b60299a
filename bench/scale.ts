/** The session table at scale in a limpet that runs: `npm run bench:scale -- --help`. How and why: NOTES.md. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BenchError } from './bench-error.ts';
import { OWN_ROOT } from './proxies/limpet.ts';
import { measureScale } from './scale/measure.ts';
import { parseScaleOptions, type ScaleOptions } from './scale/options.ts';
import { renderScale } from './scale/report.ts';
import { assertRoom } from './scale/room.ts';
import { withProcesses } from './with-processes.ts';

await withProcesses(async (processes, directory) => {
  const options = read();
  if (process.platform !== 'linux') throw new BenchError('this benchmark reads /proc: it runs on Linux only');
  if (!existsSync(join(OWN_ROOT, 'dist/cli/main.js'))) throw new BenchError('there is no build: npm run build');
  assertRoom(options.sessions, directory);
  const result = await measureScale({ options, processes, directory, progress: (text) => console.error(text) });
  const day = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  const folder = options.out === null ? join(OWN_ROOT, 'bench/results', `scale-${day}`) : resolve(options.out);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'scale.json'), `${JSON.stringify(result, null, 2)}\n`);
  const text = renderScale(result);
  writeFileSync(join(folder, 'scale.txt'), `${text}\n`);
  console.log(`\n${text}\n\nWritten to ${join(folder, 'scale.json')} and scale.txt`);
  return 0;
});

function read(): ScaleOptions {
  try {
    return parseScaleOptions(process.argv.slice(2));
  } catch (cause) {
    throw new BenchError((cause as Error).message, { cause });
  }
}
