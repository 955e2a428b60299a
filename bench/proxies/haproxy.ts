import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../machine.ts';
import { APPLICATION_COOKIE } from '../responder.ts';
import type { ProxyKind, Setting } from './proxy-kind.ts';
import { versionOf } from './version-of.ts';

/** HAProxy with a table of sessions, learned from the application's cookie. */
export const haproxy: ProxyKind = {
  name: 'haproxy',
  setup: 'stick-table learned from the application cookie, nbthread 1, http-reuse always',
  cookie: APPLICATION_COOKIE,
  binding: 'first-response',
  find: () => versionOf('haproxy', '-v', /version (\S+?)(?:-\S+)? /),
  async prepare(setting) {
    const file = join(setting.directory, 'haproxy.cfg');
    await writeFile(file, configuration(setting));
    return [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file];
  },
};

/**
 * The stick table is the same work as limpet's: an entry made at the first response, a lookup at each request. `maxconn` is
 * far above the need because HAProxy closes idle backend connections once a quarter of the descriptors that it implies is
 * in use (tune.pool-high-fd-ratio), and would connect anew for each request.
 */
function configuration({ port, backends, connections, tls }: Setting): string {
  return `global
  nbthread 1
  maxconn ${Math.max(4096, 8 * connections)}

defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s

frontend bench
  bind 127.0.0.1:${port}${tls === null ? '' : ` ssl crt ${tls.both} alpn http/1.1`}
  default_backend bench

backend bench
  balance roundrobin
  http-reuse always
  stick-table type string len 64 size 1m expire 30m
  stick store-response res.cook(${APPLICATION_COOKIE})
  stick match req.cook(${APPLICATION_COOKIE})
${backends.map(({ id, port }) => `  server ${id} 127.0.0.1:${port}`).join('\n')}
`;
}
