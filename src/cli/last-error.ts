import { ago } from './ago.ts';
import { harmless } from './output.ts';

/**
 * What failed last at a backend of the admin API's answer, and how long ago: `BACKEND_CONNECT 3m 20s ago`; `-`:
 * nothing.
 */
export function lastError(backend: Readonly<Record<string, unknown>>, now: number): string {
  const { lastError: code, lastErrorAt: at } = backend;
  if (code === null || code === undefined) return '-';
  return harmless(at === undefined ? String(code) : `${code} ${ago(at, now)}`);
}
