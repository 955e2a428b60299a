import type { Argv } from 'yargs';
import type { GlobalOptions } from './global-options.ts';

/** Options of the commands that talk to a running limpet. */
export interface AdminOptions extends GlobalOptions {
  /** `http://host:port`, `host:port` or `unix:/path`; undefined: as in the configuration file. */
  readonly admin: string | undefined;
  readonly 'token-file': string | undefined;
  readonly json: boolean;
}

/** Adds the options of the commands that talk to a running limpet. */
export function adminOptions(argv: Argv<GlobalOptions>): Argv<AdminOptions> {
  return argv
    .option('admin', {
      type: 'string',
      requiresArg: true,
      describe:
        'Admin API of the running limpet: http://host:port or unix:/path (default: admin.bind of the configuration file)',
    })
    .option('token-file', {
      type: 'string',
      requiresArg: true,
      describe: 'File with the bearer token (default: admin.tokenFile of the configuration file)',
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' });
}
