import type { Argv } from 'yargs';

/** Options of every command. */
export interface GlobalOptions {
  /** Path of the configuration file. */
  readonly config: string;
}

/** What the handler of a command with this builder gets. */
export type OptionsOf<Builder> = Builder extends (argv: Argv<GlobalOptions>) => Argv<infer Options> ? Options : never;

/** Adds the options of every command. */
export function globalOptions(argv: Argv): Argv<GlobalOptions> {
  return argv.option('config', {
    alias: 'c',
    type: 'string',
    requiresArg: true,
    global: true,
    default: 'limpet.yaml',
    describe: 'Configuration file',
  });
}
