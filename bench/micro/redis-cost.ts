/**
 * What `store: redis` costs: bytes of Redis memory a session, and bytes a second between one node and Redis for 1,000
 * sessions that have a request every second.
 *
 *     node bench/micro/redis-cost.ts
 *
 * It starts a redis-server of its own. Memory is `used_memory` of INFO before and after 100,000 sessions were written;
 * traffic is `total_net_input_bytes` and `total_net_output_bytes` over 30 s, less what the node and this script send
 * and get without sessions (probes, pub/sub) over as long.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Key } from '../../src/keys/key.ts';
import { Row } from '../../src/sessions/table/table.ts';
import { eventually } from '../../test/support/eventually.ts';
import { RedisServer } from '../../test/support/redis.ts';
import { openRedisNode } from '../../test/support/redis-nodes.ts';

const SESSIONS = 100_000;
const ACTIVE = 1_000;
const SECONDS = 30;

const redis = await RedisServer.start();
const node = await openRedisNode({ url: redis.url }, 'abc', undefined, SESSIONS * 2);
const { table, pool, supervisor } = node;
const backend = pool.byId.get('a')!;
const row = new Row();

function key(nth: number): Key {
  const made = new Key();
  made.set(nth * 2654435761, nth ^ 0x5bd1e995, nth * 40503, nth + 1);
  return made;
}

async function info(section: string, field: string): Promise<number> {
  const text = await redis.client.info(section);
  return Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(text)?.[1]);
}

async function wire(): Promise<number> {
  return (await info('stats', 'total_net_input_bytes')) + (await info('stats', 'total_net_output_bytes'));
}

async function bytesASecond(work: () => void): Promise<number> {
  const before = await wire();
  const started = performance.now();
  for (let second = 0; second < SECONDS; second++) {
    work();
    await pause(1_000);
  }
  return ((await wire()) - before) / ((performance.now() - started) / 1_000);
}

const empty = await info('memory', 'used_memory');
const began = performance.now();
for (let nth = 0; nth < SESSIONS; nth++) {
  const now = Date.now();
  table.claim(key(nth), pool.index, backend.slot, backend.generation, 0, now, row);
  table.confirm(key(nth), backend.slot, now);
}
await eventually('all to be written', () => supervisor.view.pending === 0, 120_000);
await eventually('all to be there', async () => (await redis.client.dbsize()) >= SESSIONS, 120_000);
const wrote = performance.now() - began;
const full = await info('memory', 'used_memory');
console.log(`memory: ${Math.round((full - empty) / SESSIONS)} bytes a session in Redis`);
console.log(`writing ${SESSIONS} sessions: ${Math.round(wrote)} ms`);

const quiet = await bytesASecond(() => {});
const busy = await bytesASecond(() => {
  for (let nth = 0; nth < ACTIVE; nth++) table.lookup(key(nth), Date.now(), 1800_000, 43_200_000, row);
});
console.log(`wire: ${Math.round(quiet)} bytes a second without requests`);
console.log(`wire: ${Math.round(busy - quiet)} bytes a second more for ${ACTIVE} active sessions`);

await node.close();
await redis.stop();
