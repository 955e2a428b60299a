import { parseBackendUrl } from './backend-url.ts';
import { checkAffinity } from './check-affinity.ts';
import { checkBackendTls } from './check-backend-tls.ts';
import { checkDialog } from './check-dialog.ts';
import { checkDiscovery } from './check-discovery.ts';
import { checkSessionRules } from './check-session-rules.ts';
import { checkUsers } from './check-users.ts';
import { formatDuration } from './duration.ts';
import { got } from './messages.ts';
import { MOST_BACKENDS } from './most-backends.ts';
import { nameList } from './name-list.ts';
import type { Parts, PoolParts, Report } from './parts.ts';
import { didYouMean } from './suggest.ts';

/** See checkRoutes. */
const MOST_SUGGESTIONS = 50;

/** Checks each pool: its backends and replicas, its probes, its times and its keys. */
export function checkPools(parts: Parts, report: Report): void {
  if (parts.pools === null) return;
  if (parts.pools.length === 0) report.error(['pools'], 'must name at least one pool');
  const backends = parts.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  if (backends > MOST_BACKENDS)
    report.error(['pools'], `name ${backends} backends: limpet holds ${MOST_BACKENDS} at most, in all pools`, 'key');
  for (const pool of parts.pools) {
    checkBackends(pool, report);
    checkDiscovery(pool, report);
    checkReplicas(pool, report);
    checkFailback(pool, report);
    checkTimes(pool, report);
    checkProbe(pool, report);
    checkBackendTls(pool, report);
    checkAffinity(pool, parts, report);
    checkDialog(pool, report);
    checkUsers(pool, parts, report);
    checkSessionRules(pool, parts, report);
  }
}

function checkBackends(pool: PoolParts, report: Report): void {
  const { backends } = pool;
  const path = [...pool.path, 'backends'];
  if (backends.length === 0 && !pool.discovered) {
    report.error(
      path,
      'must name at least one backend, such as { id: a, url: "http://127.0.0.1:9001" }, unless discovery finds them',
    );
  }
  const ids = new Map<string, number>();
  const addresses = new Map<string, number>();
  for (const [index, { id, url }] of backends.entries()) {
    const first = id === undefined ? undefined : ids.get(id);
    if (first !== undefined) {
      report.error([...path, index, 'id'], `${got(id)} is the id of backends[${first}] too: ids are unique in a pool`);
    } else if (id !== undefined) ids.set(id, index);
    if (url === undefined) continue;
    const parsed = parseBackendUrl(url);
    if ('error' in parsed) {
      report.error([...path, index, 'url'], url.includes('@') ? parsed.error : `${parsed.error}, got ${got(url)}`);
      continue;
    }
    const address = parsed.kind === 'unix' ? parsed.url : parsed.authority;
    const other = addresses.get(address);
    if (other !== undefined) {
      report.warn([...path, index, 'url'], `is the address of backends[${other}] too: two backends that fail together`);
    } else addresses.set(address, index);
  }
  // A weight or state that is wrong may well be meant to take sessions.
  if (
    backends.length > 0 &&
    !pool.discovered &&
    backends.every(({ weight, state }) => weight === 0 || state === 'drain' || state === 'maintenance')
  ) {
    report.warn(path, 'no backend takes new sessions: none is ready with a weight above 0');
  }
}

function checkReplicas(pool: PoolParts, report: Report): void {
  const ids = new Set(pool.ids);
  let unknown = 0;
  for (const [index, { id, replicas }] of pool.backends.entries()) {
    if (replicas === undefined) continue;
    const path = [...pool.path, 'backends', index, 'replicas'];
    const seen = new Set<string>();
    for (const [position, replica] of replicas.entries()) {
      const at = [...path, position];
      if (replica === id)
        report.error(at, `${got(replica)} is the backend itself: a replica is another backend of the pool`);
      else if (!ids.has(replica)) {
        report.error(
          at,
          `no backend of this pool has the id ${got(replica)}${(unknown++ < MOST_SUGGESTIONS && didYouMean(replica, pool.ids)) || '.'} Backends: ${nameList(pool.ids)}`,
        );
      } else if (seen.has(replica)) report.error(at, `${got(replica)} stands twice in this list`);
      seen.add(replica);
    }
    if (
      replicas.length === 0 &&
      id !== undefined &&
      pool.failover.to?.length === 1 &&
      pool.failover.to[0] === 'replicas'
    ) {
      report.warn(
        path.slice(0, -1),
        `${got(id)} has no replicas and failover.to is [replicas]: its sessions are lost when it dies`,
      );
    }
  }
  const to = pool.failover.to ?? [];
  for (const [index, kind] of to.entries()) {
    if (to.indexOf(kind) !== index)
      report.error([...pool.path, 'failover', 'to', index], `${kind} stands twice in this list`);
  }
}

function checkFailback(pool: PoolParts, report: Report): void {
  const { failback, restarted } = pool.failover;
  if (failback === undefined || failback === 'never' || restarted === 'stay') return;
  report.warn(
    [...pool.path, 'failover', 'failback'],
    `${failback} leads sessions back to a server that has lost their state if it was restarted meanwhile: write failback: never, or restarted: stay for servers that keep their sessions on disk`,
  );
}

/** What a probe by TCP does not say. */
function checkProbe({ active, path }: PoolParts, report: Report): void {
  if (active?.type !== 'tcp') return;
  for (const [name, given] of [
    ['host', active.host != null],
    ['headers', Object.keys(active.headers ?? {}).length > 0],
  ] as const) {
    if (given)
      report.error(
        [...path, 'health', 'active', name],
        'says nothing with type: tcp, which only connects: leave it out, or use type: http',
      );
  }
}

function checkTimes(pool: PoolParts, report: Report): void {
  const { timeout, interval } = pool.active ?? {};
  if (timeout !== undefined && interval !== undefined && timeout > interval) {
    report.error(
      [...pool.path, 'health', 'active', 'timeout'],
      `${formatDuration(timeout)} is longer than the interval of ${formatDuration(interval)}: a probe has to end before the next one begins`,
    );
  }
  const { idle, lifetime } = pool.session;
  if (idle !== undefined && lifetime !== undefined && idle > lifetime) {
    report.warn(
      [...pool.path, 'session', 'idle'],
      `${formatDuration(idle)} is longer than the lifetime of ${formatDuration(lifetime)}, which ends every session before`,
    );
  }
}
