import { formatPath, type KeyPath } from '../config/config-error.ts';
import { listenerKeys } from '../config/listener-keys.ts';
import type { Config } from '../config/schema.ts';
import { readTlsMaterial, type TlsMaterial } from '../config/tls-material.ts';
import { StartError } from '../errors-start.ts';

/**
 * Reads the certificates of all listeners that have some, by their keys (see `listenerKeys`).
 * @throws StartError when one cannot be used, with the first thing that is wrong
 */
export function loadListenerTls({ listeners }: Pick<Config, 'listeners'>): Map<string, TlsMaterial> {
  const keys = listenerKeys(listeners);
  const found = new Map<string, TlsMaterial>();
  const error = (path: KeyPath, message: string): never => {
    throw new StartError(`${formatPath(path)}: ${message}`);
  };
  for (const [at, { tls }] of listeners.entries()) {
    if (tls === null) continue;
    // What there is to warn of was said when the configuration was read.
    const material = readTlsMaterial(tls, ['listeners', at, 'tls'], { error, warn: () => {} });
    if (material !== null) found.set(keys[at]!, material);
  }
  return found;
}
