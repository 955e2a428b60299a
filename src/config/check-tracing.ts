import { valueAt } from './messages.ts';
import { parseOtlpUrl } from './otlp-url.ts';
import type { Report } from './parts.ts';

/** Checks where spans go. What the schema refuses is passed over here. */
export function checkTracing(written: unknown, report: Report): void {
  const path = ['tracing', 'otlp'];
  const otlp = valueAt(written, path);
  if (typeof otlp !== 'string' || !/^https?:\/\/\S+$/.test(otlp)) return;
  const address = parseOtlpUrl(otlp);
  if ('error' in address) report.error(path, address.error);
}
