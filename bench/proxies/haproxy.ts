import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../machine.ts';
import { APPLICATION_COOKIE } from '../responder.ts';
import { loggedTo } from './logged-to.ts';
import type { ProxyKind, Setting } from './proxy-kind.ts';
import { versionOf } from './version-of.ts';

/** HAProxy with a table of sessions, learned from the application's cookie. */
export const haproxy: ProxyKind = {
  name: 'haproxy',
  setup: 'stick-table learned from the application cookie, nbthread 1, http-reuse always',
  cookies: [APPLICATION_COOKIE],
  binding: 'first-response',
  find: () => versionOf('haproxy', '-v', /version (\S+?)(?:-\S+)? /, 'haproxy'),
  cannot: ({ redis }) => (redis ? 'its table is not kept in Redis' : null),
  async prepare(setting) {
    const file = join(setting.directory, 'haproxy.cfg');
    const configuration = configure(setting);
    await writeFile(file, configuration);
    const command = [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file];
    return { command: loggedTo(join(setting.directory, 'haproxy.log'), command), configuration };
  },
};

/**
 * The stick table is the same work as limpet's: an entry made at the first response, a lookup at each request.
 * `maxconn` is far above the need because HAProxy closes idle backend connections once a quarter of the descriptors
 * that it implies is in use (tune.pool-high-fd-ratio), and would connect anew for each request. Where the limit of open
 * files is lower than what it implies, HAProxy shall say so and start all the same (`no strict-limits`).
 */
function configure({ port, backends, connections, tls, tokenSecret, demands }: Setting): string {
  const { token, workers, accessLog, failover, resident } = demands;
  const secret = JSON.stringify(tokenSecret);
  const stick = token
    ? `  http-request deny deny_status 401 unless { http_auth_bearer,jwt_verify("HS256",${secret}) 1 }
  stick on http_auth_bearer,jwt_payload_query('$.sub')`
    : `  stick store-response res.cook(${APPLICATION_COOKIE})
  stick match req.cook(${APPLICATION_COOKIE})`;
  return `global
  nbthread ${workers}
  no strict-limits
  maxconn ${connections > 4096 ? connections : Math.max(4096, 8 * connections)}
${accessLog ? '  log stdout format raw local0\n' : ''}
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
${accessLog ? '  log global\n  option httplog\n' : ''}
frontend bench
  bind 127.0.0.1:${port}${tls === null ? '' : ` ssl crt ${tls.both} alpn http/1.1`}
  default_backend bench

backend bench
  balance roundrobin
  http-reuse always
${failover ? '  option redispatch 1\n  retries 3\n  retry-on all-retryable-errors\n  option httpchk GET /\n' : ''}  stick-table type string len 32 size ${Math.max(1_000_000, Math.ceil(resident * 1.1))} expire 30m
${stick}
${backends.map(({ id, port }) => `  server ${id} 127.0.0.1:${port}${failover ? ' check inter 1s fall 2' : ''}`).join('\n')}
`;
}
