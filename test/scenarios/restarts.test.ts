import assert from 'node:assert/strict';
import { test } from 'node:test';
import { playRestarts, type RestartsOptions } from './restarts/restarts.ts';

/** All the others: restarts/matrix.ts. */
const CASES: readonly [name: string, options: RestartsOptions][] = [
  [
    'M1, 114: servers that are killed one after another, and say boot: who asks meanwhile and who does not keep their state',
    { sessions: 60, how: 'kill', outage: 300, boot: true, runtime: true, nodes: 1, redis: false, between: true },
  ],
  [
    'M1, 114: three that were restarted before anybody asked move nobody to a server that knows nothing',
    { sessions: 60, how: 'kill', outage: 1_000, boot: false, runtime: false, nodes: 1, redis: false, between: false },
  ],
  [
    'M1, 114: two nodes that share a secret, and nothing else, send sessions to whoever has their state',
    { sessions: 60, how: 'kill', outage: 1_000, boot: false, runtime: false, nodes: 2, redis: false, between: true },
  ],
  [
    'M1, 114: servers that stand still for a while lose nobody',
    { sessions: 60, how: 'stop', outage: 3_000, boot: false, runtime: false, nodes: 1, redis: false, between: true },
  ],
];

for (const [name, options] of CASES) {
  test(name, async () => {
    const { requests, wrong, errors, moves } = await playRestarts(options);
    assert.deepEqual(wrong, []);
    assert.deepEqual(errors, []);
    assert.ok(requests >= options.sessions * 3);
    const restarts = moves['backend-restarted'] ?? 0;
    assert.equal(restarts > 0, options.how === 'kill' && options.between, JSON.stringify(moves));
  });
}
