import type { Exchange } from '../../exchange/exchange.ts';
import { format } from '../../keys/public-id.ts';

/** Public id of the session of a request, for logs and traces; '' when it has none. */
export function sessionOf(x: Exchange): string {
  if (x.strategy === null) return '';
  // Nobody was ever told of that one.
  if (x.fresh && x.attempts === 0) return '';
  // A request that never went out has no id at hand, or that of the request before it on its connection.
  return x.publicId.id !== '' && x.publicId.key.equals(x.found.key) ? x.publicId.id : format(x.found.key);
}
