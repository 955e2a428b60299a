import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What to do when there is no redis-server. */
export const REDIS_MISSING =
  'the tests of the shared session store need redis-server: apt-get install redis-server (or name one in the environment variable REDIS_SERVER; valkey-server will do)';

/** The redis-server or valkey-server that tests start; null: none is installed. */
export function findRedisServer(): string | null {
  const named = process.env.REDIS_SERVER;
  if (named !== undefined && named !== '') return named;
  for (const directory of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']) {
    for (const name of ['redis-server', 'valkey-server']) {
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
