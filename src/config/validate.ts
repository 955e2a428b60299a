import { checkLimits } from './check-limits.ts';
import { checkListeners } from './check-listeners.ts';
import { checkPools } from './check-pools.ts';
import { checkRateLimits } from './check-rate-limits.ts';
import { checkRoutes } from './check-routes.ts';
import { checkSessions } from './check-sessions.ts';
import { checkTracing } from './check-tracing.ts';
import { formatPath, type KeyPath } from './config-error.ts';
import { allowedKeys, findings, got, valueAt } from './messages.ts';
import { type Report, readParts } from './parts.ts';
import { configSchema, type ParsedConfig } from './schema.ts';

/**
 * Checks a configuration as written against the schema, against itself, and against what is there already.
 * Everything that is wrong goes to `report`, at once; null when the schema refused it.
 * `readings` are second readings of values that came from variables, by formatted path.
 */
export function validate(
  written: unknown,
  readings: ReadonlyMap<string, unknown>,
  report: Report,
): ParsedConfig | null {
  if (written === null || written === undefined) {
    report.error([], 'is empty: listeners and pools are required; limpet init writes a file to begin with');
    return null;
  }
  const { value, parsed } = parse(withoutExtensions(written), readings);
  for (const issue of parsed.error?.issues ?? []) {
    for (const { path, message, at } of findings(issue, value)) {
      report.error(path, message, at);
    }
  }
  const parts = readParts(value);
  checkListeners(parts, report);
  checkPools(parts, report);
  checkRoutes(parts, report);
  checkRateLimits(parts, value, report);
  checkSessions(value, report);
  checkTracing(value, report);
  if (parsed.success) checkLimits(parsed.data, report);
  checkHeaderNames(value, report);
  return parsed.data ?? null;
}

/**
 * What is written without the keys at the top that begin with `x-`: a place for YAML anchors, which limpet does not
 * read.
 */
function withoutExtensions(written: unknown): unknown {
  if (typeof written !== 'object' || written === null || Array.isArray(written)) return written;
  return Object.fromEntries(Object.entries(written).filter(([key]) => !key.startsWith('x-')));
}

function safeParse(value: unknown) {
  return configSchema.safeParse(value, { error: allowedKeys });
}

/**
 * The schema decides how a value is read that can be read in two ways: `"${PORT}"` is a number where a number is due.
 * A section whose keys are all commented out is null in YAML, and means its defaults.
 */
function parse(written: unknown, readings: ReadonlyMap<string, unknown>) {
  const value = structuredClone(written);
  let parsed = safeParse(value);
  const changed = new Map<string, { path: KeyPath; before: unknown }>();
  for (const { path, code, ...issue } of parsed.error?.issues ?? []) {
    const at = path.filter((part) => typeof part !== 'symbol');
    const key = formatPath(at);
    const before = valueAt(value, at);
    const section = before === null && code === 'invalid_type' && 'expected' in issue && issue.expected === 'object';
    if (changed.has(key) || at.length === 0 || !(section || readings.has(key))) continue;
    changed.set(key, { path: at, before });
    replace(value, at, section ? {} : readings.get(key));
  }
  if (changed.size > 0) {
    parsed = safeParse(value);
    for (const issue of parsed.error?.issues ?? []) {
      const change = changed.get(formatPath(issue.path.filter((part) => typeof part !== 'symbol')));
      if (change !== undefined) replace(value, change.path, change.before);
    }
  }
  return { value, parsed };
}

function replace(root: unknown, path: KeyPath, value: unknown): void {
  const parent = valueAt(root, path.slice(0, -1)) as Record<string | number, unknown>;
  parent[path.at(-1)!] = value;
}

/** Header names that differ in case only are one header (RFC 9110 section 5.1), and cannot have two values here. */
function checkHeaderNames(written: unknown, report: Report): void {
  const routes = valueAt(written, ['routes']);
  if (!Array.isArray(routes)) return;
  for (const index of routes.keys()) {
    const path = ['routes', index, 'match', 'headers'];
    const seen = new Set<string>();
    for (const name of Object.keys((valueAt(written, path) as object | undefined | null) ?? {})) {
      if (seen.has(name.toLowerCase()))
        report.error(
          [...path, name],
          `${got(name)} stands here twice: case makes no difference in header names`,
          'key',
        );
      seen.add(name.toLowerCase());
    }
  }
}
