import { get } from 'node:http';
import { loadAdmin } from '../config/load.ts';
import { adminTarget } from './admin-target.ts';

/** Longest time that an answer may take, ms: the image's HEALTHCHECK gives up after 3 s. */
const TIMEOUT_MS = 2_500;

/**
 * Asks the limpet that runs with a configuration file whether it is healthy (/healthz), wherever its admin API is. One
 * without an admin API is taken for healthy: when it ends, so does its container. Rejects where it is not, or cannot be
 * asked.
 */
export async function healthcheck(config: string): Promise<void> {
  const loaded = loadAdmin(config);
  if ('admin' in loaded && loaded.admin.bind === null) return;
  const { origin, socketPath } = adminTarget({ config, admin: undefined, 'token-file': undefined, json: false });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  get(`${origin}/healthz`, { ...(socketPath === null ? {} : { socketPath }), timeout: TIMEOUT_MS }, (response) => {
    response.resume();
    if (response.statusCode === 200) resolve();
    else reject(new Error(`${origin}/healthz answers ${response.statusCode}`));
  })
    .on('timeout', () => reject(new Error(`${origin} does not answer within ${TIMEOUT_MS} ms`)))
    .on('error', reject);
  await promise;
}
