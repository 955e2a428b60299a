import type { Argv } from 'yargs';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { printError } from '../output.ts';
import { runUntilSignal } from '../run-until-signal.ts';

const builder = (argv: Argv<GlobalOptions>) =>
  argv
    .option('backends', { type: 'number', default: 3, requiresArg: true, describe: 'Shop servers, 1 to 26' })
    .option('port', {
      type: 'number',
      default: 8080,
      requiresArg: true,
      describe: 'Port of the shop; the next free one when it is taken',
    })
    .option('admin-port', {
      type: 'number',
      default: 9900,
      requiresArg: true,
      describe: 'Port of the admin API; the next free one when it is taken',
    })
    .example(...example('$0 demo', 'three shop servers behind http://127.0.0.1:8080'))
    .example(...example('$0 demo --backends 5 --port 9000', 'five of them behind port 9000'));

/** `limpet demo`: everything on this machine. */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: async ({ backends, port, adminPort }) => {
    within('--backends', backends, 1, 26);
    within('--port', port, 0, 65_535);
    within('--admin-port', adminPort, 0, 65_535);
    const { runDemo } = await import('../../demo/demo.ts');
    const status = await runUntilSignal({
      signals: process,
      graceMs: 0,
      start: () => runDemo({ backends, port, adminPort }),
      onHangup: () => printError('limpet: the demo has no configuration file to read again'),
    });
    process.exit(status);
  },
};

function within(option: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new CliError(`${option} must be a whole number from ${least} to ${most}`, 2);
}
