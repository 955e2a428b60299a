import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench-error.ts';
import type { Processes } from '../processes.ts';
import { SUITES } from './registry.ts';
import type { MicroSample } from './sample.ts';

/** The areas that were named, all when none was; a BenchError for a name that there is not. */
export function chosenSuites(wanted: readonly string[]): readonly string[] {
  const names = Object.keys(SUITES);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new BenchError(`there is no "${unknown}"; choose from ${names.join(', ')}`);
  return wanted.length === 0 ? names : wanted;
}

/** One sample in a process of its own, so that what V8 has learned from other code changes nothing. */
export async function sampleIn(processes: Processes, root: string, names: readonly string[]): Promise<MicroSample> {
  const script = fileURLToPath(new URL('./sample-process.ts', import.meta.url));
  const started = await processes.start('the micro benchmark', [process.execPath, script, root, ...names], {
    ipc: true,
  });
  const ended = started.closed.then(() => {
    throw new BenchError(`the micro benchmark ended: ${started.output()}`);
  });
  ended.catch(() => {});
  const [sample] = (await Promise.race([once(started.child, 'message'), ended])) as [MicroSample];
  await started.closed;
  return sample;
}
