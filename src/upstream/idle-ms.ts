import type { Head } from '../http1/head.ts';
import { HeaderId } from '../http1/header-id.ts';

/**
 * How long a connection is kept without use when the backend does not say: under the 5 s of Node, Apache and uvicorn,
 * so that their closing does not race with a request (behaviour 68).
 */
export const IDLE_MS = 4_000;

/** How long a connection may lie idle behind this response: under what the backend says in Keep-Alive: timeout=N, if it says it. */
export function idleMs(head: Head): number {
  if (!head.has(HeaderId.keepAlive)) return IDLE_MS;
  const value = head.value(head.findId(HeaderId.keepAlive)).toLowerCase();
  const at = value.indexOf('timeout=');
  if (at < 0) return IDLE_MS;
  const seconds = Number.parseInt(value.slice(at + 8), 10);
  if (!(seconds >= 0)) return IDLE_MS;
  return Math.max(seconds * 1000 - 1000, seconds * 500);
}
