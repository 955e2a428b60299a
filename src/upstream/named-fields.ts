import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/**
 * Fields that `Connection` cannot name away: they say where the message goes and where it ends, or a recipient needs
 * them.
 */
const KEPT = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'cookie',
  'set-cookie',
  'authorization',
  'cache-control',
  'date',
]);

/** Names that the Connection lines of `head` declare hop-by-hop, in lower case (RFC 9110 7.6.1). Off the usual path. */
export function namedFields(head: Head): ReadonlySet<string> {
  const names = new Set<string>();
  for (let i = head.findId(HeaderId.connection); i >= 0; i = head.findId(HeaderId.connection, i + 1)) {
    for (const token of head.value(i).toLowerCase().split(',')) {
      const name = token.trim();
      if (name !== '' && !KEPT.has(name)) names.add(name);
    }
  }
  return names;
}
