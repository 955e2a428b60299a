import { parentPort, workerData } from 'node:worker_threads';
import { StripedLocks } from '../../../src/sessions/table/locks.ts';
import { randomWords } from '../random-keys.ts';

/** What a thread of locks.test.ts is told. */
export interface LockThreadData {
  readonly words: Int32Array;
  readonly base: number;
  readonly count: number;
  readonly owner: number;
  readonly does: 'count' | 'hold' | 'take';
  readonly turns: number;
}

const { words, base, count, owner, does, turns } = workerData as LockThreadData;
const locks = new StripedLocks(words, base, count, owner);

if (does === 'count') {
  // Lock 0 guards the number behind the locks; the other one is there to be taken in any order with it.
  const next = randomWords(owner);
  for (let turn = 0; turn < turns; turn++) {
    const other = (next() >>> 0) % count;
    if (turn % 2 === 0) locks.lockTwo(0, other);
    else locks.lockTwo(other, 0);
    words[base + count]! += 1;
    locks.unlockTwo(0, other);
  }
} else if (does === 'hold') {
  locks.lockTwo(1, 4);
  parentPort!.postMessage('held');
  // Until terminated.
  Atomics.wait(words, base + count + 1, 0);
} else {
  locks.lockTwo(4, 1);
  locks.unlockTwo(4, 1);
  parentPort!.postMessage('taken');
}
