import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { SharedChains } from '../../../src/sessions/table/shared-chains.ts';
import { type ChainThreadData, MOST } from './chain-thread.ts';

function start(data: ChainThreadData): Worker {
  return new Worker(new URL('./chain-thread.ts', import.meta.url), { workerData: data });
}

/** First words of the nodes of a chain; throws when the chain runs in a circle. */
function walk(chains: SharedChains, chain: number, most = 1_000): number[] {
  const found: number[] = [];
  for (let node = chains.first(chain); node !== 0; node = chains.next(node)) {
    assert.ok(found.length < most, `chain ${chain} ends`);
    found.push(chains.get(node, 0));
  }
  return found;
}

test('a chain keeps the order in which its nodes came, whichever are taken out', () => {
  const chains = new SharedChains(SharedChains.allocate(10), 1);
  const nodes = [11, 12, 13, 14].map((word) => chains.append(3, word, 2, 3, 4, 5, 6, 7));
  assert.deepEqual(walk(chains, 3), [11, 12, 13, 14]);
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5, 6].map((n) => chains.get(nodes[1]!, n)),
    [12, 2, 3, 4, 5, 6, 7],
  );
  assert.equal(chains.unlink(3, nodes[1]!), true);
  assert.deepEqual(walk(chains, 3), [11, 13, 14]);
  assert.equal(chains.unlink(3, nodes[3]!), true);
  assert.equal(chains.unlink(3, nodes[0]!), true);
  assert.deepEqual(walk(chains, 3), [13]);
  assert.equal(chains.unlink(3, nodes[0]!), false, 'it has gone already');
  assert.equal(chains.unlink(4, nodes[2]!), false, 'it is in another chain');
  assert.equal(chains.used, 1);
  chains.append(3, 15, 0, 0, 0, 0, 0, 0);
  assert.deepEqual(walk(chains, 3), [13, 15]);
  chains.set(nodes[2]!, 0, 16);
  assert.deepEqual(walk(chains, 3), [16, 15]);
});

test('when all nodes are in use it says so, and goes on when one is free', () => {
  const chains = new SharedChains(SharedChains.allocate(3), 1);
  const nodes = [1, 2, 3].map((word) => chains.append(word, word, 0, 0, 0, 0, 0, 0));
  assert.equal(chains.append(0, 4, 0, 0, 0, 0, 0, 0), 0);
  assert.deepEqual(walk(chains, 0), []);
  assert.equal(chains.used, 3);
  chains.unlink(2, nodes[1]!);
  assert.notEqual(chains.append(0, 4, 0, 0, 0, 0, 0, 0), 0);
  assert.equal(chains.append(0, 5, 0, 0, 0, 0, 0, 0), 0);
  assert.deepEqual(walk(chains, 0), [4]);
});

test('a node goes from one chain to the end of another with all its words', () => {
  const chains = new SharedChains(SharedChains.allocate(8), 1);
  const [first, second] = [1, 2].map((word) => chains.append(1, word, word * 10, 0, 0, 0, 0, 0));
  chains.append(5, 3, 0, 0, 0, 0, 0, 0);
  chains.lockTwo(1, 5);
  assert.equal(chains.transfer(1, first!, 5), true);
  assert.equal(chains.transfer(1, first!, 5), false);
  chains.unlockTwo(1, 5);
  assert.deepEqual([walk(chains, 1), walk(chains, 5)], [[2], [3, 1]]);
  assert.equal(chains.get(first!, 1), 10);
  assert.equal(chains.transfer(1, second!, 1), true, 'to the end of the same one');
  assert.equal(chains.used, 3);
});

test('a size that is none, or too large, is refused', () => {
  for (const nodes of [0, -1, 1.5, Number.NaN, 2 ** 31]) assert.throws(() => SharedChains.allocate(nodes), RangeError);
});

test('threads that append and unlink at once lose no node and mix up no chain', async () => {
  const memory = SharedChains.allocate(64);
  const threads = [2, 3, 4].map((owner) => start({ memory, owner, chains: 4, turns: 30_000 }));
  const codes = await Promise.all(threads.map(async (thread) => (await once(thread, 'exit'))[0]));
  assert.deepEqual(codes, [0, 0, 0]);
  const chains = new SharedChains(memory, 1);
  assert.equal(chains.used, 0);
  for (let chain = 0; chain < chains.chains; chain++) assert.equal(chains.first(chain), 0);
});

test('a thread that is terminated at any moment leaves chains that are whole, and loses one node at most', async () => {
  const memory = SharedChains.allocate(400);
  const chains = new SharedChains(memory, 1);
  const ROUNDS = 12;
  for (let round = 1; round <= ROUNDS; round++) {
    const thread = start({ memory, owner: 2, chains: 3, turns: 0 });
    await once(thread, 'message');
    // Not a wait for anything: it is in the midst of its work whenever it ends.
    await new Promise((resolve) => setTimeout(resolve, round % 4));
    await thread.terminate();
    assert.ok(chains.releaseLocks(2) <= 2);
    let left = 0;
    for (let chain = 0; chain < 3; chain++) {
      chains.lock(chain);
      for (let node = chains.first(chain); node !== 0; ) {
        const next = chains.next(node);
        assert.deepEqual(
          [chains.get(node, 0), chains.get(node, 2), chains.get(node, 6)],
          [2, chain, -chains.get(node, 1)],
        );
        assert.equal(chains.unlink(chain, node), true);
        left++;
        assert.ok(left <= MOST);
        node = next;
      }
      chains.unlock(chain);
    }
    assert.ok(chains.used >= -round && chains.used <= round, `${chains.used} nodes were lost in ${round} rounds`);
  }
  // What is free is whole too: all but the lost ones can be had, each once.
  const seen = new Set<number>();
  for (let node = chains.append(0, 0, 0, 0, 0, 0, 0, 0); node !== 0; node = chains.append(0, 0, 0, 0, 0, 0, 0, 0)) {
    assert.equal(seen.has(node), false);
    seen.add(node);
  }
  assert.ok(seen.size >= 400 - ROUNDS, `${seen.size} nodes are left`);
});
