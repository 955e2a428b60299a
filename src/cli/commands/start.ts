import type { Argv } from 'yargs';
import { formatConfigError } from '../../config/config-error.ts';
import { type Config, configSchema } from '../../config/schema.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
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
    .option('take-over', {
      type: 'boolean',
      default: false,
      describe:
        'Take sessions and listeners over from the limpet that runs with this file, which then stops gracefully',
    })
    .example(...example('$0 start', 'run with limpet.yaml of this directory'))
    .example(...example('$0 start -c /etc/limpet/limpet.yaml --workers 4', 'run with four worker threads'))
    .example(
      ...example('$0 start --take-over', 'upgrade: replace the running one without losing a connection or a session'),
    )
    .epilogue(
      'SIGHUP reads the configuration file again and opens the audit log anew. SIGTERM and SIGINT stop gracefully within shutdown.grace, a second one stops at once.',
    );

/** `limpet start`: runs until a signal ends it. */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: async (options) => {
    const workers = readWorkers(options.workers);
    const { config: loaded, unreadable } = loadOrFail(options.config, 1);
    if (unreadable.length > 0) throw new CliError(unreadable.map(formatConfigError), 1);
    // What was asked for on the command line goes before the file, also before what a reload finds in it.
    const overrides = (config: Config): Config => ({
      ...config,
      workers: workers ?? config.workers,
      log: { ...config.log, level: options.logLevel ?? config.log.level },
    });
    const config = overrides(loaded);
    if (options.takeOver && config.sessions.snapshot === null) {
      throw new CliError(
        `--take-over needs sessions.snapshot: set it in ${options.config}, so that the two processes find each other and the sessions are handed over`,
        2,
      );
    }
    const { startLimpet } = await import('../../app.ts');
    const status = await runUntilSignal({
      signals: process,
      start: () => startLimpet({ config, configFile: options.config, overrides, takeOver: options.takeOver }),
      // How it went is in the log, whoever asked for it.
      onHangup: (running) => {
        running.reopenLogs();
        void running.reload().catch((error: Error) => printError(`limpet: ${error.message}`));
      },
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
