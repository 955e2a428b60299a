import { parse } from 'yaml';
import type { Argv } from 'yargs';
import { type ConfigError, formatConfigError } from '../../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { printConfig } from '../../config/print.ts';
import type { EngineChoice, WantedEngine } from '../../sockets/choose-engine.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import { example } from '../example.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { paint, printJson, printLine, printWarning } from '../output.ts';

const builder = (argv: Argv<GlobalOptions>) =>
  argv
    .positional('file', { type: 'string', describe: 'Configuration file, instead of -c' })
    .option('print', {
      type: 'boolean',
      default: false,
      describe: 'Print the configuration with defaults filled in, as YAML',
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' })
    .example(...example('$0 check', 'validate limpet.yaml of this directory'))
    .example(...example('$0 check /etc/limpet/limpet.yaml --print', 'also print it with every default'))
    .epilogue('Exit status 2 when the file, or a file that it names, is not usable.');

/**
 * `limpet check`: every error of a configuration file, also of the files that it names, and how connections would be
 * read.
 */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: async ({ config, file = config, print, json }) => {
    const loaded = loadConfig(file);
    const errors = 'errors' in loaded ? loaded.errors : loaded.unreadable;
    const sockets = 'errors' in loaded ? null : await provenEngine(loaded.config.sockets);
    if (json) printResult(file, loaded, errors, print, sockets);
    if (errors.length > 0) throw new CliError(json ? [] : errors.map(formatConfigError), 2);
    if (json || 'errors' in loaded) return;
    for (const warning of loaded.warnings) printWarning(warning);
    if (print) printLine(printConfig(loaded.config));
    else {
      printLine(`${paint('green', 'valid:')} ${file} (${summary(loaded)})`);
      printLine(`sockets: ${sockets!.engine}${sockets!.why === null ? '' : ` (${sockets!.why})`}`);
    }
  },
};

/** The engine that a worker on this machine would use, found out as a worker does. */
async function provenEngine(wanted: WantedEngine): Promise<EngineChoice> {
  const [{ startSockets }, { stopSockets }] = await Promise.all([
    import('../../sockets/start-sockets.ts'),
    import('../../sockets/stop-sockets.ts'),
  ]);
  const choice = await startSockets(wanted);
  stopSockets();
  return choice;
}

function printResult(
  file: string,
  loaded: ReturnType<typeof loadConfig>,
  errors: readonly ConfigError[],
  print: boolean,
  sockets: EngineChoice | null,
): void {
  const warnings = 'errors' in loaded ? [] : loaded.warnings;
  const config: unknown = print && !('errors' in loaded) ? { config: parse(printConfig(loaded.config)) } : {};
  const engine = sockets === null ? {} : { sockets: { engine: sockets.engine, why: sockets.why } };
  printJson({ file, valid: errors.length === 0, errors, warnings, ...engine, ...(config as object) });
}

function summary({ config }: LoadedConfig): string {
  const pools = Object.values(config.pools);
  const backends = pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const count = (amount: number, word: string) => `${amount} ${word}${amount === 1 ? '' : 's'}`;
  return [
    count(config.listeners.length, 'listener'),
    count(config.routes.length, 'route'),
    count(pools.length, 'pool'),
    count(backends, 'backend'),
  ].join(', ');
}
