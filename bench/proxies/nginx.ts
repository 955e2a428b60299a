import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../machine.ts';
import { APPLICATION_COOKIE } from '../responder.ts';
import type { ProxyKind, Setting } from './proxy-kind.ts';
import { versionOf } from './version-of.ts';

/** nginx with a consistent hash of the application's cookie: the stickiness of its free version keeps no table. */
export const nginx: ProxyKind = {
  name: 'nginx',
  setup: 'hash $cookie consistent, upstream keepalive, worker_processes 1',
  cookies: [APPLICATION_COOKIE],
  binding: 'first-request',
  find: () => versionOf('nginx', '-v', /nginx\/(\S+)/, 'nginx-light'),
  cannot({ token, resident, redis }) {
    if (token) return 'its free version does not check tokens';
    return resident > 0 || redis ? 'its free version keeps no table of sessions' : null;
  },
  async prepare(setting) {
    const file = join(setting.directory, 'nginx.conf');
    await mkdir(join(setting.directory, 'logs'), { recursive: true });
    const configuration = configure(setting);
    await writeFile(file, configuration);
    return { command: [findProgram('nginx') ?? 'nginx', '-p', setting.directory, '-c', file], configuration };
  },
};

function configure({ port, backends, connections, directory, tls, demands }: Setting): string {
  const { workers, accessLog, websocket, failover } = demands;
  // Started as root, the worker would become `nobody`, who cannot write into the folder.
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};` : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${user}
worker_processes ${workers};
daemon off;
pid ${directory}/nginx.pid;
error_log ${failover ? '/dev/null' : 'stderr'} warn;
events { worker_connections ${connections > 4096 ? connections + 1000 : 2 * connections}; }
http {
  access_log ${accessLog ? `${directory}/access.log combined buffer=64k flush=1s` : 'off'};
${temporary.map((kind) => `  ${kind}_temp_path ${directory}/${kind};`).join('\n')}
  keepalive_timeout 60s;
  keepalive_requests 1000000000;
  # Large answers and uploads wait in memory and not on disk.
  proxy_max_temp_file_size 0;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  upstream bench {
    hash $cookie_${APPLICATION_COOKIE} consistent;
${backends.map(({ port }) => `    server 127.0.0.1:${port};`).join('\n')}
    keepalive ${Math.min(connections, 1024)};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024${
      tls === null
        ? ''
        : ` ssl;
    ssl_certificate ${tls.cert};
    ssl_certificate_key ${tls.key};
    ssl_protocols TLSv1.2 TLSv1.3`
    };
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
${
  websocket
    ? `      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`
    : '      proxy_set_header Connection "";'
}
${failover ? '      proxy_next_upstream error timeout;\n      proxy_next_upstream_tries 3;\n' : ''}    }
  }
}
`;
}
