import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../machine.ts';
import { APPLICATION_COOKIE } from '../responder.ts';
import type { ProxyKind, Setting } from './proxy-kind.ts';
import { versionOf } from './version-of.ts';

/** Caddy with its cookie policy: the cookie is an HMAC of the backend's address, and no table is kept. */
export const caddy: ProxyKind = {
  name: 'caddy',
  setup: 'lb_policy cookie, GOMAXPROCS 1',
  cookies: [APPLICATION_COOKIE, 'lb'],
  binding: 'first-response',
  find: () => versionOf('caddy', 'version', /^v?(\d\S*)/m, 'caddy'),
  cannot({ token, resident, redis }) {
    if (token) return 'it does not check tokens';
    return resident > 0 || redis ? 'it keeps no table of sessions' : null;
  },
  async prepare(setting) {
    const file = join(setting.directory, 'Caddyfile');
    const configuration = configure(setting);
    await writeFile(file, configuration);
    const home = ['HOME', 'XDG_DATA_HOME', 'XDG_CONFIG_HOME'].map((name) => `${name}=${setting.directory}`);
    const program = findProgram('caddy') ?? 'caddy';
    const run = [program, 'run', '--config', file, '--adapter', 'caddyfile'];
    const threads = `GOMAXPROCS=${setting.demands.workers}`;
    return { command: ['env', ...home, threads, ...run], configuration: `# ${threads}\n${configuration}` };
  },
};

function configure({ port, backends, directory, tls, demands }: Setting): string {
  const { accessLog, failover } = demands;
  return `{
  admin off
  auto_https off
  log {
    level ERROR
    exclude http.log.access
  }
  servers {
    protocols h1
  }
}

http${tls === null ? '' : 's'}://127.0.0.1:${port} {
  bind 127.0.0.1
${tls === null ? '' : `  tls ${tls.cert} ${tls.key}\n`}${
  accessLog
    ? `  log {
    output file ${directory}/access.log {
      roll_disabled
    }
  }
`
    : ''
}  reverse_proxy ${backends.map(({ port }) => `127.0.0.1:${port}`).join(' ')} {
    lb_policy cookie lb benchmark-secret
${failover ? '    lb_try_duration 5s\n    lb_try_interval 10ms\n    fail_duration 10s\n' : ''}    transport http {
      keepalive 60s
      keepalive_idle_conns_per_host 1024
    }
  }
}
`;
}
