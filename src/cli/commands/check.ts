import { parse } from 'yaml';
import type { Argv } from 'yargs';
import { type ConfigError, formatConfigError } from '../../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { printConfig } from '../../config/print.ts';
import { CliError } from '../cli-error.ts';
import type { Command } from '../command.ts';
import type { GlobalOptions, OptionsOf } from '../global-options.ts';
import { paint, printJson, printLine, printWarning } from '../output.ts';

const builder = (argv: Argv<GlobalOptions>) =>
  argv
    .option('print', {
      type: 'boolean',
      default: false,
      describe: 'Print the configuration with defaults filled in, as YAML',
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document' })
    .example('$0 check', 'validate limpet.yaml of this directory')
    .example('$0 check -c /etc/limpet/limpet.yaml --print', 'also print it with every default')
    .epilogue('Exit status 2 when the file, or a file that it names, is not usable.');

/** `limpet check`: every error of a configuration file, also of the files that it names. */
export const command: Command<OptionsOf<typeof builder>> = {
  builder,
  handler: ({ config: file, print, json }) => {
    const loaded = loadConfig(file);
    const errors = 'errors' in loaded ? loaded.errors : loaded.unreadable;
    if (json) printResult(file, loaded, errors, print);
    if (errors.length > 0) throw new CliError(json ? [] : errors.map(formatConfigError), 2);
    if (json || 'errors' in loaded) return;
    for (const warning of loaded.warnings) printWarning(warning);
    if (print) printLine(printConfig(loaded.config));
    else printLine(`${paint('green', 'valid:')} ${file} (${summary(loaded)})`);
  },
};

function printResult(
  file: string,
  loaded: ReturnType<typeof loadConfig>,
  errors: readonly ConfigError[],
  print: boolean,
): void {
  const warnings = 'errors' in loaded ? [] : loaded.warnings;
  const config: unknown = print && !('errors' in loaded) ? { config: parse(printConfig(loaded.config)) } : {};
  printJson({ file, valid: errors.length === 0, errors, warnings, ...(config as object) });
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
