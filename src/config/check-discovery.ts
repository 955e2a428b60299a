import { isIP } from 'node:net';
import { formatDuration } from './duration.ts';
import { got } from './messages.ts';
import { parseNameServer } from './name-server.ts';
import type { PoolParts, Report } from './parts.ts';

/**
 * Checks where the backends of a pool are looked up, and what of the pool cannot be had with backends that are found
 * that way.
 */
export function checkDiscovery({ dns, ...pool }: PoolParts, report: Report): void {
  if (pool.discovered && pool.failover.to?.length === 1 && pool.failover.to[0] === 'replicas') {
    report.warn(
      [...pool.path, 'failover', 'to'],
      'backends that discovery finds have no replicas: with [replicas] their sessions are lost when they die',
    );
  }
  if (dns === null) return;
  const path = [...pool.path, 'discovery', 'dns'];
  const { name, type, port, refresh, servers } = dns;
  if (name !== undefined && isIP(name) !== 0) {
    report.error(
      [...path, 'name'],
      `${got(name)} is an address: list it under backends, since there is nothing to look up`,
    );
  } else if (name !== undefined && (type === 'A' || type === 'AAAA') && /^_[^.]+\._(?:tcp|udp)\./i.test(name)) {
    report.warn([...path, 'name'], `${got(name)} looks like the name of SRV records: set type: SRV`);
  }
  if (port === null && (type === 'A' || type === 'AAAA')) {
    report.error(
      [...path, 'port'],
      `is required with type ${type}, which finds addresses only: the port of the backends`,
    );
  } else if (port !== null && port !== undefined && type === 'SRV') {
    report.error([...path, 'port'], 'must be left out with type SRV: each record names the port of its target');
  }
  if (refresh !== undefined && refresh < 1000) {
    report.warn([...path, 'refresh'], `${formatDuration(refresh)} asks the DNS server more than once a second`);
  }
  for (const [index, server] of (servers ?? []).entries()) {
    const parsed = parseNameServer(server);
    if ('error' in parsed) report.error([...path, 'servers', index], `${parsed.error}, got ${got(server)}`);
  }
}
