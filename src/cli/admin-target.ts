import { type Bind, parseBind } from '../config/bind.ts';
import { formatConfigError } from '../config/config-error.ts';
import { loadAdmin } from '../config/load.ts';
import type { AdminOptions } from './admin-options.ts';
import { CliError } from './cli-error.ts';

/** Where the admin API of a running limpet is. */
export interface AdminTarget {
  /** `http://host:port`, without a path. */
  readonly origin: string;
  /** Of a unix socket; null: TCP. */
  readonly socketPath: string | null;
  readonly tokenFile: string | null;
  /** As it stands in messages. */
  readonly shown: string;
}

/** The admin API that the options name, or else the configuration file. */
export function adminTarget({ admin, 'token-file': tokenFile, config }: AdminOptions): AdminTarget {
  if (admin !== undefined) {
    const bind = parseBind(admin.replace(/^http:\/\//i, '').replace(/\/$/, ''));
    if ('error' in bind)
      throw new CliError(`--admin has to be http://host:port or unix:/path, not ${JSON.stringify(admin)}`, 2);
    return { ...origin(bind), tokenFile: tokenFile ?? null };
  }
  const loaded = loadAdmin(config);
  if ('errors' in loaded) {
    throw new CliError(
      [...loaded.errors.map(formatConfigError), 'limpet: --admin URL names the admin API without a configuration file'],
      2,
    );
  }
  if (loaded.admin.bind === null) {
    throw new CliError(
      `admin.bind is null in ${config}, so that limpet has no admin API: give it an address, or name one with --admin`,
      2,
    );
  }
  const bind = parseBind(loaded.admin.bind);
  if ('error' in bind) throw new CliError(`admin.bind of ${config} ${bind.error}`, 2);
  return { ...origin(bind), tokenFile: tokenFile ?? loaded.admin.tokenFile };
}

function origin(bind: Bind): Omit<AdminTarget, 'tokenFile'> {
  if (bind.kind === 'unix') return { origin: 'http://localhost', socketPath: bind.path, shown: `unix:${bind.path}` };
  if (bind.port === 0) throw new CliError('port 0 is any free port: name the port of the admin API with --admin', 2);
  // An address that means every address is reached at the loopback address.
  const host = bind.host === '0.0.0.0' ? '127.0.0.1' : bind.host === '::' ? '::1' : bind.host;
  const address = `http://${host.includes(':') ? `[${host}]` : host}:${bind.port}`;
  return { origin: address, socketPath: null, shown: address };
}
