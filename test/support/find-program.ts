import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** The first program of these names that is installed; null: none is. An environment variable may name another file. */
export function findProgram(names: readonly string[], variable: string): string | null {
  const named = process.env[variable];
  if (named !== undefined && named !== '') return named;
  for (const name of names) {
    for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']) {
      const file = join(directory, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
    }
  }
  return null;
}
