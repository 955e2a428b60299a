import { parentPort, workerData } from 'node:worker_threads';
import { SharedChains, type SharedChainsMemory } from '../../../src/sessions/table/shared-chains.ts';
import { randomWords } from '../random-keys.ts';

/** What a thread of shared-chains.test.ts is told. */
export interface ChainThreadData {
  readonly memory: SharedChainsMemory;
  readonly owner: number;
  /** Chains that it works on. */
  readonly chains: number;
  /** Turns of appending and unlinking; 0: until terminated. */
  readonly turns: number;
}

/** At most so many nodes of each thread are in chains at once. */
export const MOST = 6;

if (parentPort !== null) churn(workerData as ChainThreadData);

/** Appends and unlinks nodes of its own: words [owner, serial, chain, 0, 0, 0, -serial]. */
function churn({ memory, owner, chains, turns }: ChainThreadData): void {
  const directory = new SharedChains(memory, owner);
  const next = randomWords(owner);
  const own: { chain: number; node: number }[] = [];
  parentPort!.postMessage('ready');
  for (let turn = 1; turns === 0 || turn <= turns; turn++) {
    const chain = (next() >>> 0) % chains;
    if (own.length < MOST && (next() & 1) === 0) {
      directory.lock(chain);
      try {
        const node = directory.append(chain, owner, turn, chain, 0, 0, 0, -turn);
        if (node !== 0) own.push({ chain, node });
      } finally {
        directory.unlock(chain);
      }
    } else if (own.length > 0) {
      const [gone] = own.splice((next() >>> 0) % own.length, 1);
      const { chain: at, node } = gone!;
      directory.lock(at);
      try {
        if (directory.get(node, 0) !== owner) throw new Error(`node ${node} belongs to ${directory.get(node, 0)}`);
        if (!directory.unlink(at, node)) throw new Error(`node ${node} has gone from chain ${at}`);
      } finally {
        directory.unlock(at);
      }
    }
  }
  for (const { chain, node } of own) {
    directory.lock(chain);
    directory.unlink(chain, node);
    directory.unlock(chain);
  }
}
