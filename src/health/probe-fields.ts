import type { Backend } from '../backends/backend.ts';
import type { ActiveHealthConfig } from '../config/schema.ts';

/**
 * What a probe says of itself. `host` is `health.active.host`, without it the backend's own authority (RFC 9112 section
 * 3.2), also when another port is probed; `fields` are all others, by names in lower case: those that are configured
 * take the place of limpet's own.
 */
export function probeFields(
  { host, headers }: ActiveHealthConfig,
  backend: Backend,
): { readonly host: string; readonly fields: Record<string, string> } {
  return { host: host ?? backend.authority, fields: { 'user-agent': 'limpet', accept: '*/*', ...headers } };
}
