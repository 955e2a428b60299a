import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BenchError } from './bench-error.ts';
import { Processes } from './processes.ts';

/**
 * Runs a command of the benchmark: `work` gets the processes and a folder for temporary files; both are gone at the
 * end, on an error and on Ctrl-C. Bad usage and failures with a reason are one line; anything else shows its stack. The
 * process ends with the status that `work` returns, 1 after an error.
 */
export async function withProcesses(work: (processes: Processes, directory: string) => Promise<number>): Promise<void> {
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
    process.exitCode = await work(processes, directory);
    await processes.stopAll();
  } catch (error) {
    await processes.stopAll();
    // What fails because everything is being stopped is no news.
    if (stopping) process.exit(130);
    console.error(error instanceof BenchError ? `bench: ${error.message}` : error);
    process.exitCode = 1;
  }
}
