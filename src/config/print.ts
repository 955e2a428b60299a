import { stringify } from 'yaml';
import * as z from 'zod';
import { type Config, configSchema } from './schema.ts';
import { withoutSecrets } from './strategy-places.ts';

/**
 * The configuration as a file would say it, with every default: durations, sizes and percentages in words.
 * Secrets are hidden, since the text is made to be shown.
 */
export function printConfig(config: Config): string {
  const shown = structuredClone(config) as z.output<typeof configSchema>;
  for (const pool of Object.values(shown.pools)) {
    pool.affinity = pool.affinity.map((strategy) => withoutSecrets(strategy, '(hidden)')) as typeof pool.affinity;
  }
  const text = stringify(z.encode(configSchema, shown), { lineWidth: 0, aliasDuplicateObjects: false });
  // Variables have been expanded already.
  return text.split('${').join('$${');
}
