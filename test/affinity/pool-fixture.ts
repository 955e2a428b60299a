import { getRandomValues } from 'node:crypto';
import { buildCascade, type Cascade } from '../../src/affinity/cascade.ts';
import type { AffinityStrategy, CookieIssuer, StrategyContext } from '../../src/affinity/strategy.ts';
import { buildPools } from '../../src/backends/build-pools.ts';
import type { Pool } from '../../src/backends/pool.ts';
import { SlotRegistry } from '../../src/backends/slots.ts';
import { parseConfig } from '../../src/config/load.ts';
import { Head, Parse } from '../../src/http1/head.ts';

/** A pool as a configuration makes it, with backends of these ids. */
export function poolOf(affinity: readonly unknown[], name = 'shop', ids: readonly string[] = ['a', 'b', 'c']): Pool {
  const backends = ids.map((id, i) => ({ id, url: `http://127.0.0.1:${9001 + i}` }));
  const text = JSON.stringify({ listeners: [{ bind: '127.0.0.1:8080' }], pools: { [name]: { backends, affinity } } });
  const parsed = parseConfig(text, '/limpet/limpet.yaml');
  if ('errors' in parsed) throw new Error(parsed.errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  const slots = new SlotRegistry(16);
  for (const id of ids) slots.assign(name, id);
  const [pool] = buildPools(parsed.config, slots.assignments);
  if (pool === undefined) throw new Error('no pool');
  return pool;
}

/** What strategies are made from, with a fixed secret and a clock that stands still unless told otherwise. */
export function contextOf(pool: Pool, changes: Partial<StrategyContext> = {}): StrategyContext {
  return {
    pool,
    secrets: [secretOf(1)],
    now: () => NOW,
    since: () => 0,
    randomBytes: (bytes) => {
      getRandomValues(bytes as Uint8Array<ArrayBuffer>);
    },
    warn: () => {},
    ...changes,
  };
}

export const NOW = Date.UTC(2030, 0, 1);

/** 32 bytes that depend on `seed`. */
export function secretOf(seed: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => (seed * 31 + i * 7) & 0xff);
}

export function cascadeOf(
  affinity: readonly unknown[],
  changes: Partial<StrategyContext> = {},
  name = 'shop',
): Cascade {
  return buildCascade(contextOf(poolOf(affinity, name), changes));
}

/** The only strategy of a pool with this configuration. */
export function strategyOf(config: object, changes: Partial<StrategyContext> = {}, name = 'shop'): AffinityStrategy {
  return cascadeOf([config], changes, name).strategies[0]!;
}

export function issuerOf(config: object = {}, changes: Partial<StrategyContext> = {}, name = 'shop'): CookieIssuer {
  const { issuer } = cascadeOf([{ by: 'cookie', ...config }], changes, name);
  if (issuer === null) throw new Error('no issuer');
  return issuer;
}

/** A parsed request for `/` with these lines, or with another target. */
export function requestOf(lines: readonly string[], target = '/'): Head {
  const head = new Head(2000);
  const bytes = Buffer.from(
    ['GET', target, 'HTTP/1.1']
      .join(' ')
      .concat('\r\nHost: shop.example\r\n', ...lines.map((line) => `${line}\r\n`), '\r\n'),
    'latin1',
  );
  if (head.parseRequest(bytes, 0, bytes.length) !== Parse.done) throw new Error(head.problem);
  return head;
}

/** A parsed response with these lines. */
export function responseOf(lines: readonly string[]): Head {
  const head = new Head(2000);
  const bytes = Buffer.from(['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n'), 'latin1');
  if (head.parseResponse(bytes, 0, bytes.length) !== Parse.done) throw new Error(head.problem);
  return head;
}
