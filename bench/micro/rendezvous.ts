import type { Backend } from '../../src/backends/backend.ts';
import { BackendLife } from '../../src/backends/backend-life.ts';
import { allocateSharedState, SharedLayout } from '../../src/backends/shared-layout.ts';
import { moduleOf, type Pass, type Suite } from './pass.ts';

type HashModule = typeof import('../../src/backends/name-hash.ts');
type RendezvousModule = typeof import('../../src/balancing/rendezvous.ts');
type KeyModule = typeof import('../../src/keys/key.ts');

function backendsOf(count: number, nameHash: (name: string) => number): Backend[] {
  return Array.from({ length: count }, (_, slot) => ({
    id: `b${slot}`,
    pool: 'shop',
    poolIndex: 0,
    slot,
    generation: 1,
    life: new BackendLife(new SharedLayout(allocateSharedState(1, 64)), 0, 1),
    since: 0,
    departing: false,
    socketPath: null,
    secure: false,
    host: '127.0.0.1',
    port: 9000 + slot,
    authority: `127.0.0.1:${9000 + slot}`,
    url: `http://127.0.0.1:${9000 + slot}`,
    backup: false,
    maxRequests: 0,
    replicas: [],
    hash: nameHash(`shop/b${slot}`),
  }));
}

/** What a choice by rendezvous hashing costs, over 3, 10 and 50 backends. */
export const rendezvous: Suite = async (root) => {
  const { nameHash } = await moduleOf<HashModule>(root, 'src/backends/name-hash.ts');
  const { rendezvous: choose } = await moduleOf<RendezvousModule>(root, 'src/balancing/rendezvous.ts');
  const { Key } = await moduleOf<KeyModule>(root, 'src/keys/key.ts', 'src/sessions/key.ts');
  const chooser = (backends: readonly Backend[], weights: Float64Array): Pass => {
    const weightOf = ({ slot }: Backend): number => weights[slot]!;
    const key = new Key();
    return (times) => {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        key.set(Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca6b), i, i);
        sum += choose(backends, backends.length, key, weightOf).slot;
      }
      // Used, so that the loop is not optimized away.
      if (sum < 0) throw new Error('unreachable');
    };
  };
  return Object.fromEntries(
    [3, 10, 50].flatMap((count): [string, Pass][] => {
      const backends = backendsOf(count, nameHash);
      return [
        [`${count} backends, equal weights`, chooser(backends, new Float64Array(count).fill(1))],
        [
          `${count} backends, different weights`,
          chooser(
            backends,
            Float64Array.from({ length: count }, (_, i) => i + 1),
          ),
        ],
      ];
    }),
  );
};
