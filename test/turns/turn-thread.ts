import { parentPort, workerData } from 'node:worker_threads';
import { SessionTurns, Taken } from '../../src/turns/session-turns.ts';
import { Turn } from '../../src/turns/turn.ts';
import type { TurnsMemory } from '../../src/turns/turns-memory.ts';
import { keyOf } from './turn-log.ts';

/** What a thread of the tests is told. */
export interface TurnThreadData {
  readonly memory: TurnsMemory;
  readonly worker: number;
  /**
   * `hold`: takes the turn of key 1, says so, and keeps it. `count`: adds to numbers under turns. `churn`: takes and
   * leaves until it is terminated.
   */
  readonly does: 'hold' | 'count' | 'churn';
  /** Per key, plain numbers that only the one with the turn may touch. */
  readonly numbers: Int32Array;
  readonly rounds: number;
}

if (parentPort !== null) run(workerData as TurnThreadData);

function run({ memory, worker, does, numbers, rounds }: TurnThreadData): void {
  const turns = new SessionTurns(memory, worker);
  // Keeps the thread alive: waiting does not.
  const ticking = setInterval(() => turns.tick(performance.now()), 20);
  if (does === 'hold') {
    const taken = turns.take(new Turn({ onTurn: () => {}, onTurnTimeout: () => {} }), keyOf(1), 0, 8, Infinity);
    parentPort!.postMessage(taken === Taken.now ? 'has it' : 'waits');
    return;
  }
  let left = rounds;
  const PARALLEL = 8;
  let running = PARALLEL;
  for (let n = 0; n < PARALLEL; n++) {
    let key = n % numbers.length;
    const turn = new Turn({
      onTurn: () => work(),
      onTurnTimeout: () => {
        throw new Error('timed out');
      },
    });
    const work = (): void => {
      const read = numbers[key]!;
      setImmediate(() => {
        numbers[key] = read + 1;
        turns.leave(turn);
        again();
      });
    };
    const again = (): void => {
      if (does === 'count' && left-- <= 0) {
        if (--running === 0) {
          clearInterval(ticking);
          parentPort!.postMessage('done');
        }
        return;
      }
      key = (key + 1) % numbers.length;
      if (turns.take(turn, keyOf(key), 0, 1_000, Infinity) === Taken.now) work();
    };
    again();
  }
  parentPort!.postMessage('runs');
}
