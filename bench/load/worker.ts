import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { assertRunning } from '../processes.ts';
import type { Generator, LoadResult } from './load.ts';

/**
 * A generator that is a script next to this file. The script gets the job by message, answers `ready` when it is
 * loaded, starts on the next message and sends its result: so its own start-up is not part of what is measured.
 */
export function workerGenerator(script: string, args: readonly string[] = []): Generator {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return async (processes, prefix, job, onStart) => {
    const started = await processes.start('the load generator', [...prefix, process.execPath, path, ...args], {
      ipc: true,
    });
    const stop = new AbortController();
    const { signal } = stop;
    const exit = once(started.child, 'exit', { signal }).then(() => assertRunning(started));
    exit.catch(() => {}); // reported by the race below, or the end that we asked for
    const next = async () => {
      const message = (await Promise.race([once(started.child, 'message', { signal }), exit])) as unknown[];
      return message[0];
    };
    try {
      started.child.send(job);
      await next();
      onStart();
      const result = next();
      started.child.send('go');
      return (await result) as LoadResult;
    } finally {
      stop.abort();
      await processes.stop(started);
    }
  };
}
