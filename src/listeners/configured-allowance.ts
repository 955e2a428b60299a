import type { Config } from '../config/schema.ts';
import type { Logger } from '../logging/logger.ts';
import { type ConnectionAllowance, connectionAllowance } from './connection-allowance.ts';
import { openFilesLimit } from './open-files.ts';

/**
 * How many connections fit under the limit on open files, said aloud when it is less than the configuration asks for.
 */
export function allowanceOf(config: Config, workers: number, log: Logger): ConnectionAllowance {
  const backends = Object.values(config.pools).reduce((sum, pool) => sum + pool.backends.length, 0);
  const openFiles = openFilesLimit();
  const allowance = connectionAllowance(openFiles, workers, config.listeners.length, backends);
  const wanted = config.listeners.reduce((sum, listener) => sum + listener.limits.connections, 0);
  if (wanted > allowance.connections) {
    log.info(
      { openFiles, connections: allowance.connections },
      'the limit on open files (ulimit -n) allows fewer connections than limits.connections',
    );
  }
  return allowance;
}
