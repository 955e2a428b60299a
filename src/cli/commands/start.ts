import type { Argv, CommandModule } from 'yargs';
import { formatConfigError } from '../../config/config-error.ts';
import { type Config, configSchema } from '../../config/schema.ts';
import { CliError } from '../cli-error.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { loadOrFail } from '../load-or-fail.ts';
import { printError } from '../output.ts';
import { runUntilSignal } from '../run-until-signal.ts';

const LEVELS = configSchema.shape.log.unwrap().shape.level.unwrap().options;

const builder = (argv: Argv<GlobalOptions>) =>
  argv
    .option('workers', {
      type: 'string',
      requiresArg: true,
      describe: 'Threads that carry traffic, or auto: one per core',
    })
    .option('log-level', { choices: LEVELS, requiresArg: true, describe: 'Least severe log lines that are written' })
    .example('$0 start', 'run with limpet.yaml of this directory')
    .example('$0 start -c /etc/limpet/limpet.yaml --workers 4', 'run with four worker threads')
    .epilogue('SIGTERM and SIGINT stop gracefully within shutdown.grace, a second one stops at once.');

/** `limpet start`: runs until a signal ends it. */
export const startCommand: CommandModule<GlobalOptions, OptionsOf<typeof builder>> = {
  command: 'start',
  describe: 'Run the load balancer',
  builder,
  handler: async (options) => {
    const workers = readWorkers(options.workers);
    const { config: loaded, unreadable } = loadOrFail(options.config, 1);
    if (unreadable.length > 0) throw new CliError(unreadable.map(formatConfigError), 1);
    const config: Config = {
      ...loaded,
      workers: workers ?? loaded.workers,
      log: { ...loaded.log, level: options.logLevel ?? loaded.log.level },
    };
    const { startLimpet } = await import('../../app.ts');
    const status = await runUntilSignal({
      signals: process,
      graceMs: config.shutdown.grace,
      start: () => startLimpet({ config, configFile: options.config }),
      onHangup: () =>
        printError('limpet: reload is not supported yet: start limpet again to read the configuration file'),
    });
    // After a second signal the workers are still there.
    process.exit(status);
  },
};

function readWorkers(text: string | undefined): Config['workers'] | undefined {
  if (text === undefined) return undefined;
  const parsed = configSchema.shape.workers.safeParse(/^\d+$/.test(text) ? Number(text) : text);
  if (!parsed.success)
    throw new CliError(`--workers ${parsed.error.issues[0]?.message}, got ${JSON.stringify(text)}`, 2);
  return parsed.data;
}
