import { isDeepStrictEqual } from 'node:util';
import { listenerKeys } from './listener-keys.ts';
import type { BackendConfig, Config, ListenerConfig } from './schema.ts';

/** One difference between two configurations. */
export interface ConfigChange {
  /** Such as `pools.shop.backends.a`, `pools.shop.timeouts`, `routes`. */
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
}

/**
 * What differs between two resolved configurations, for people: pools and backends by name, listeners by address,
 * everything else by its key.
 */
export function diffConfig(before: Config, after: Config): ConfigChange[] {
  const changes: ConfigChange[] = [];
  const { listeners: oldListeners, pools: oldPools, ...oldRest } = before;
  const { listeners: newListeners, pools: newPools, ...newRest } = after;
  byName('listeners', byKey(oldListeners), byKey(newListeners), changes, (path) =>
    changes.push({ path, change: 'changed' }),
  );
  sections('', oldRest, newRest, ['sessions', 'admin', 'log', 'tracing', 'shutdown'], changes);
  byName('pools', oldPools, newPools, changes, (path, one, other) => {
    const { backends: oldBackends, ...oldPool } = one;
    const { backends: newBackends, ...newPool } = other;
    byName(`${path}.backends`, backendsById(oldBackends), backendsById(newBackends), changes, (at) =>
      changes.push({ path: at, change: 'changed' }),
    );
    sections(`${path}.`, oldPool, newPool, [], changes);
  });
  return changes;
}

function byKey(listeners: readonly ListenerConfig[]): Record<string, ListenerConfig> {
  const keys = listenerKeys(listeners);
  return Object.fromEntries(listeners.map((listener, at) => [keys[at], listener]));
}

function backendsById(backends: readonly BackendConfig[]): Record<string, BackendConfig> {
  return Object.fromEntries(backends.map((backend) => [backend.id, backend]));
}

function byName<Item>(
  path: string,
  before: Readonly<Record<string, Item>>,
  after: Readonly<Record<string, Item>>,
  changes: ConfigChange[],
  onChanged: (path: string, before: Item, after: Item) => void,
): void {
  for (const name of Object.keys(before))
    if (!Object.hasOwn(after, name)) changes.push({ path: `${path}.${name}`, change: 'removed' });
  for (const [name, item] of Object.entries(after)) {
    const old = Object.hasOwn(before, name) ? before[name]! : undefined;
    if (old === undefined) changes.push({ path: `${path}.${name}`, change: 'added' });
    else if (!isDeepStrictEqual(old, item)) onChanged(`${path}.${name}`, old, item);
  }
}

/** @param inner keys whose own keys are named, instead of the key itself */
function sections(
  prefix: string,
  before: object,
  after: object,
  inner: readonly string[],
  changes: ConfigChange[],
): void {
  const old = before as Record<string, unknown>;
  const now = after as Record<string, unknown>;
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
    if (isDeepStrictEqual(old[key], now[key])) continue;
    if (inner.includes(key) && isSection(old[key]) && isSection(now[key]))
      sections(`${prefix}${key}.`, old[key], now[key], [], changes);
    else changes.push({ path: `${prefix}${key}`, change: 'changed' });
  }
}

function isSection(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
