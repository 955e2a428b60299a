import { readFileSync, statSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { type ConfigError, formatPath } from '../../config/config-error.ts';
import { type LoadedConfig, loadConfig, parseConfig, type RefusedConfig } from '../../config/load.ts';
import { installation } from '../../installation.ts';
import { Deadline } from '../../timing/deadline.ts';

/** What is read: a file, or text that stands for it. */
export interface ReadRequest {
  readonly file: string;
  /** Null: what the file holds. */
  readonly text: string | null;
}

/** What the thread answers: a LoadedConfig without its function, and with the places that are asked for afterwards. */
export type ReadResult =
  | RefusedConfig
  | (Omit<LoadedConfig, 'errorAt'> & { readonly places: ReadonlyMap<string, ConfigError> });

/** A file up to this size is read in a few milliseconds, less than a thread takes to start. */
const SMALL_BYTES = 24 * 1024;
/** The most that a file may take: far more than any that is meant. */
const MOST_MS = 60_000;
const MOST_MIB = 1_024;

/**
 * Reads a configuration while limpet runs: a large one, or one with aliases, in a thread of its own, so that probes and
 * the admin API go on meanwhile. Never rejects because of what is in the file.
 * @param signal gives up: then it is refused
 */
export async function readBeside(request: ReadRequest, signal: AbortSignal): Promise<LoadedConfig | RefusedConfig> {
  const { file, text } = request;
  if (isSmall(request)) return text === null ? loadConfig(file) : parseConfig(text, file);
  const thread = new Worker(installation.entry('supervisor/reload/read-thread'), {
    workerData: request,
    name: 'limpet configuration',
    resourceLimits: { maxOldGenerationSizeMb: MOST_MIB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<LoadedConfig | RefusedConfig>();
  const refuse = (message: string): void => resolve({ errors: [{ file, line: 0, column: 0, path: '', message }] });
  const stop = (): void => refuse('limpet is stopping');
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  const tooLong = `takes longer than ${MOST_MS / 1000} s to read: make it smaller`;
  const deadline = new Deadline(MOST_MS, () => refuse(tooLong));
  thread.once('message', (result: ReadResult) => {
    if ('errors' in result) resolve(result);
    else {
      const { places, ...rest } = result;
      const errorAt: LoadedConfig['errorAt'] = (path, message) => {
        const at = places.get(formatPath(path)) ?? { file, line: 1, column: 1, path: formatPath(path) };
        return { ...at, message };
      };
      resolve({ ...rest, errorAt });
    }
  });
  thread.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') refuse(`takes more than ${MOST_MIB} MiB to read: make it smaller`);
    else reject(error);
  });
  thread.once('exit', () => reject(new Error('the thread that reads the configuration has ended')));
  try {
    return await promise;
  } finally {
    deadline.cancel();
    signal.removeEventListener('abort', stop);
    void thread.terminate();
  }
}

/**
 * Whether it is read soon: only aliases make much of little. A file that cannot be looked at is small; whoever reads it
 * says what is wrong.
 */
function isSmall({ file, text }: ReadRequest): boolean {
  let written = text;
  try {
    if (written === null) written = statSync(file).size <= SMALL_BYTES ? readFileSync(file, 'latin1') : null;
  } catch {
    return true;
  }
  return written !== null && written.length <= SMALL_BYTES && !(written.includes('&') && written.includes('*'));
}
