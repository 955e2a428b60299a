// Entry of the thread that reads a configuration: see read-beside.ts.
import { parentPort, workerData } from 'node:worker_threads';
import { formatPath } from '../../config/config-error.ts';
import { FIXED_KEY_PATHS } from '../../config/fixed-key-paths.ts';
import { loadConfig, parseConfig } from '../../config/load.ts';
import type { ReadRequest, ReadResult } from './read-beside.ts';

const { file, text } = workerData as ReadRequest;
const loaded = text === null ? loadConfig(file) : parseConfig(text, file);
let result: ReadResult;
if ('errors' in loaded) result = loaded;
else {
  const { errorAt, ...rest } = loaded;
  const places = FIXED_KEY_PATHS.map((path): ReadonlyArray<unknown> => [formatPath(path), errorAt(path, '')]);
  result = { ...rest, places: new Map(places as [string, ReturnType<typeof errorAt>][]) };
}
parentPort!.postMessage(result);
