import type { KeyPath } from './config-error.ts';
import { got, valueAt } from './messages.ts';
import type { Report } from './parts.ts';
import { parseRedisUrl } from './redis-url.ts';

const REDIS: KeyPath = ['sessions', 'redis'];

/**
 * Checks where sessions are kept: how the Redis that nodes share is reached. What the schema refuses is passed over
 * here.
 */
export function checkSessions(written: unknown, report: Report): void {
  const redis = valueAt(written, REDIS);
  if (typeof redis !== 'object' || redis === null) return;
  const store = valueAt(written, ['sessions', 'store']) ?? 'memory';
  if (store === 'memory')
    report.warn(REDIS, 'does nothing with store: memory: set sessions.store to redis, or leave it out', 'key');
  const sentinels = entries(redis, 'sentinels');
  const cluster = entries(redis, 'cluster');
  checkUrl(valueAt(redis, ['url']), cluster.length > 0, report);
  if (sentinels.length > 0 && cluster.length > 0)
    report.error([...REDIS, 'cluster'], 'cannot stand next to sentinels: leave one of the two out', 'key');
  checkNames(sentinels, report);
  checkPrefix(valueAt(redis, ['prefix']), report);
}

function checkUrl(url: unknown, cluster: boolean, report: Report): void {
  // The schema says of anything else what it has to be.
  if (typeof url !== 'string' || !/^rediss?:\/\/\S+$/.test(url)) return;
  const path = [...REDIS, 'url'];
  const address = parseRedisUrl(url);
  if ('error' in address) report.error(path, address.error);
  else if (cluster && address.db !== 0)
    report.error(path, `names database ${address.db}: a Cluster has database 0 only`);
}

/** The Sentinels say who is master of the group of this name. */
function checkNames(sentinels: readonly unknown[], report: Report): void {
  if (sentinels.length === 0) return;
  const names = sentinels.map((sentinel) => valueAt(sentinel, ['name']));
  const first = names.find((name) => typeof name === 'string');
  if (first === undefined) {
    report.error(
      [...REDIS, 'sentinels', 0],
      'needs a name: that of the master which the Sentinels watch, such as name: mymaster',
    );
    return;
  }
  for (const [index, name] of names.entries()) {
    if (typeof name === 'string' && name !== first)
      report.error(
        [...REDIS, 'sentinels', index, 'name'],
        `must be ${JSON.stringify(first)} as above, got ${got(name)}: limpet uses one master`,
      );
  }
}

function checkPrefix(prefix: unknown, report: Report): void {
  if (typeof prefix === 'string' && /[\r\n]/.test(prefix))
    report.error([...REDIS, 'prefix'], 'must not contain a line break');
}

function entries(redis: unknown, key: string): readonly unknown[] {
  const list = valueAt(redis, [key]);
  return Array.isArray(list) ? list : [];
}
