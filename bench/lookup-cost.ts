import { Key } from '../src/keys/key.ts';
import { Lookup, Row, type SessionTable } from '../src/sessions/table/table.ts';
import { setNthKey } from './nth-key.ts';

/** One round of lookups: ns of CPU time each, without the making of their keys. */
export interface LookupCost {
  readonly hit: number;
  readonly miss: number;
  /** Share of the hits that found their session: an evicted one is not found. */
  readonly found: number;
}

const OPERATIONS = 200_000;

const key = new Key();
const row = new Row();
let state = 1;

function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
}

/**
 * Looks up random ones of the first `sessions` keys of `setNthKey`, and as many that were never there. Throws when one
 * of those is found.
 * @param idle ms
 */
export function lookupCost(table: SessionTable, sessions: number, now: number, idle: number): LookupCost {
  let live = 0;
  const making = perOperation(() => setNthKey(key, Math.floor(random() * sessions)));
  const hit = perOperation(() => {
    setNthKey(key, Math.floor(random() * sessions));
    if (table.lookup(key, now, idle, 0, row) === Lookup.LIVE) live++;
  });
  const miss = perOperation(() => {
    setNthKey(key, -1 - Math.floor(random() * sessions));
    if (table.lookup(key, now, idle, 0, row) === Lookup.LIVE) throw new Error('a key that was never claimed is live');
  });
  return { hit: hit - making, miss: miss - making, found: live / OPERATIONS };
}

/** CPU time of this process, ns: unlike the time of day it does not count what others did meanwhile. */
function perOperation(operation: () => void): number {
  const begin = process.cpuUsage();
  for (let n = 0; n < OPERATIONS; n++) operation();
  const { user, system } = process.cpuUsage(begin);
  return ((user + system) * 1000) / OPERATIONS;
}
