import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SessionRecord } from './shop-sessions.ts';

const PUBLIC_ID = /^[\w-]{22}$/;

/**
 * Names the session of a request for people: as the load balancer does in its dashboard and its commands, and where
 * there is none by a hash. The ids themselves stay in HttpOnly cookies.
 */
export function sessionName(request: IncomingMessage, record: SessionRecord): string {
  const told = request.headers['limpet-session'];
  if (typeof told === 'string' && PUBLIC_ID.test(told)) return told;
  return createHash('sha256').update(record.id).digest('hex').slice(0, 8);
}
