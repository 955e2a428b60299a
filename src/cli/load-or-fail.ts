import { formatConfigError } from '../config/config-error.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { CliError } from './cli-error.ts';
import { printWarning } from './output.ts';

/**
 * Loads a configuration file and prints its warnings; all its errors are the CliError that ends the command with status
 * 2.
 * @param unreadableStatus exit status when the file itself cannot be read
 */
export function loadOrFail(file: string, unreadableStatus: 1 | 2 = 2): LoadedConfig {
  const loaded = loadConfig(file);
  if ('errors' in loaded) {
    const unreadable = loaded.errors.every(({ line, path }) => line === 0 && path === '');
    throw new CliError(loaded.errors.map(formatConfigError), unreadable ? unreadableStatus : 2);
  }
  for (const warning of loaded.warnings) printWarning(warning);
  return loaded;
}
