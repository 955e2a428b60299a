import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LONG } from '../support/long.ts';
import { matrix } from './restarts/matrix.ts';
import { playRestarts, type RestartsOptions } from './restarts/restarts.ts';

const CASES: readonly [name: string, options: RestartsOptions][] = [
  [
    'M1, 114: servers that are killed one after another, and say boot: who asks meanwhile and who does not keep their state',
    { sessions: 60, how: 'kill', outage: 300, boot: true, traffic: true, nodes: 1, redis: false, between: true },
  ],
  [
    'M1, 114: three that were restarted before anybody asked move nobody to a server that knows nothing',
    { sessions: 60, how: 'kill', outage: 1_000, boot: false, traffic: false, nodes: 1, redis: false, between: false },
  ],
  [
    'M1, 114: two nodes that share a secret, and nothing else, send sessions to whoever has their state',
    { sessions: 60, how: 'kill', outage: 1_000, boot: false, traffic: false, nodes: 2, redis: false, between: true },
  ],
  [
    'M1, 114: servers that stand still for a while lose nobody',
    { sessions: 60, how: 'stop', outage: 3_000, boot: false, traffic: false, nodes: 1, redis: false, between: true },
  ],
];

async function play(options: RestartsOptions): Promise<Record<string, number>> {
  const { requests, wrong, errors, moves } = await playRestarts(options);
  assert.deepEqual(wrong, []);
  assert.deepEqual(errors, []);
  assert.ok(requests >= options.sessions * 3);
  return moves;
}

for (const [name, options] of CASES) {
  test(name, async () => {
    const moves = await play(options);
    const restarts = moves['backend-restarted'] ?? 0;
    assert.equal(restarts > 0, options.how === 'kill' && options.between, JSON.stringify(moves));
  });
}

// Nearly all of their time they wait.
describe('M1, 114: every way', { concurrency: 3, timeout: 3_600_000 }, () => {
  for (const [name, options] of LONG ? matrix() : [])
    test(name, async (t) => t.diagnostic(JSON.stringify(await play(options))));
});
