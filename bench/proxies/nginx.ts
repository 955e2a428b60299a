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
  cookie: APPLICATION_COOKIE,
  binding: 'first-request',
  find: () => versionOf('nginx', '-v', /nginx\/(\S+)/),
  async prepare(setting) {
    const file = join(setting.directory, 'nginx.conf');
    await mkdir(join(setting.directory, 'logs'), { recursive: true });
    await writeFile(file, configuration(setting));
    return [findProgram('nginx') ?? 'nginx', '-p', setting.directory, '-c', file];
  },
};

function configuration({ port, backends, connections, directory, tls }: Setting): string {
  // Started as root, the worker would become `nobody`, who cannot write into the folder.
  const user = process.getuid?.() === 0 ? `user ${userInfo().username};` : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${user}
worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections ${2 * connections}; }
http {
  access_log off;
${temporary.map((kind) => `  ${kind}_temp_path ${directory}/${kind};`).join('\n')}
  keepalive_timeout 60s;
  keepalive_requests 1000000000;
  # Large answers wait in memory and not on disk.
  proxy_max_temp_file_size 0;
  upstream bench {
    hash $cookie_${APPLICATION_COOKIE} consistent;
${backends.map(({ port }) => `    server 127.0.0.1:${port};`).join('\n')}
    keepalive ${connections};
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
      proxy_set_header Connection "";
    }
  }
}
`;
}
