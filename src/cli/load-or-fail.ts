import { formatConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { CliError } from './cli-error.ts';
import { printWarning } from './output.ts';

/** Loads a configuration file and prints its warnings; all its errors are the CliError that ends the command with status 2. */
export function loadOrFail(file: string): LoadedConfig {
  const loaded = loadConfig(file);
  if ('errors' in loaded) throw new CliError(loaded.errors.map(formatConfigError), 2);
  for (const warning of loaded.warnings) printWarning(warning);
  return loaded;
}
