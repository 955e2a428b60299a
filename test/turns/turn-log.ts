import { Key } from '../../src/keys/key.ts';
import { SessionTurns } from '../../src/turns/session-turns.ts';
import { Turn } from '../../src/turns/turn.ts';
import type { TurnsMemory } from '../../src/turns/turns-memory.ts';

/** The turns of a worker, and what its requests are told, by name. */
export class TurnLog {
  readonly turns: SessionTurns;
  readonly #log: string[];

  constructor(memory: TurnsMemory, worker: number, log: string[]) {
    this.turns = new SessionTurns(memory, worker);
    this.#log = log;
  }

  /** A request that notes what it is told. */
  request(name: string): Turn {
    return new Turn({
      onTurn: () => void this.#log.push(name),
      onTurnTimeout: () => void this.#log.push(`${name} timed out`),
    });
  }
}

/** A key made of a number; those of 1 and 2 fall on different chains, `twin` of one on the same. */
export function keyOf(number: number, twin = 0): Key {
  const key = new Key();
  key.set(number, 7, 7, twin);
  return key;
}
