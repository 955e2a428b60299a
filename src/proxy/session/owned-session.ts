import { KEY_SOURCES } from '../../affinity/strategy.ts';
import type { Exchange } from '../../exchange/exchange.ts';

const COOKIE = KEY_SOURCES.indexOf('cookie');

/**
 * Whether the session of a request is one of limpet's own cookie, also when the request named it by a key that was
 * joined to it: once ended, that cookie has to stay refused.
 */
export function isOwnedSession({ strategy, hasRow, row }: Exchange): boolean {
  return strategy !== null && (strategy.owned || (hasRow && row.by === COOKIE));
}
