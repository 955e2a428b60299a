import { parentPort, workerData } from 'node:worker_threads';
import type { Key } from '../../../src/keys/key.ts';
import { LIVE } from '../../../src/sessions/table/row-layout.ts';
import { RowWriter } from '../../../src/sessions/table/row-writer.ts';
import { Row, SessionTable, type SessionTableMemory } from '../../../src/sessions/table/table.ts';
import { randomKeys, randomWords } from '../random-keys.ts';

/** What a thread of table-threads.test.ts is told. */
export interface TableThreadData {
  readonly memory: SessionTableMemory;
  readonly owner: number;
  readonly does: 'claim' | 'move' | 'churn' | 'write' | 'lookup once' | 'claim once' | 'end once';
  readonly keys: number;
  readonly slots: number;
  /** [0]: set to 1 to let all begin; [1]: set to 1 to end a churn; [owner]: turns so far. */
  readonly flags: Int32Array;
}

/** Wall-clock time of the tests. */
export const T = 1_750_000_000_000;

function begin(data: TableThreadData): void {
  const table = new SessionTable(data.memory, data.owner);
  const keys = randomKeys(data.keys, 1);
  const next = randomWords(data.owner);
  const row = new Row();
  const { flags, owner, slots } = data;
  const pick = (count: number): number => (next() >>> 0) % count;
  parentPort!.postMessage('ready');
  Atomics.wait(flags, 0, 0);

  if (data.does === 'claim' || data.does === 'move') {
    const wins: number[] = [];
    const saw: number[] = [];
    keys.forEach((key, n) => {
      const slot = pick(slots);
      const won =
        data.does === 'claim'
          ? table.claim(key, 0, slot, 1, 0, T, row)
          : table.move(key, n % slots, slots + owner, 1, 0, T, row);
      if (won) wins.push(n);
      saw.push(row.backend);
    });
    parentPort!.postMessage({ wins, saw });
    return;
  }

  if (data.does === 'write') {
    write(data, keys);
    return;
  }
  const once = keys[0]!;
  switch (data.does) {
    case 'lookup once':
      parentPort!.postMessage({ answer: table.lookup(once, T, 0, 0, row), backend: row.backend });
      return;
    case 'claim once':
      parentPort!.postMessage({ answer: table.claim(once, 0, 1, 1, 0, T, row), backend: row.backend });
      return;
    case 'end once':
      parentPort!.postMessage({ answer: table.end(once, T, T + 10), backend: -1 });
      return;
  }

  while (Atomics.load(flags, 1) === 0) {
    const key = keys[pick(keys.length)]!;
    const slot = pick(slots);
    switch (pick(8)) {
      case 0:
        table.claim(key, slot % 2, slot, 1, 0, T, row, true);
        break;
      case 1:
        table.adopt(key, slot % 2, slot, 1, 0, T, T, row);
        break;
      case 2:
        table.move(key, pick(slots), slot, 1, 0, T, row);
        break;
      case 3:
        table.end(key, T, T + 10);
        break;
      case 4:
        table.remove(key);
        break;
      case 5:
        table.release(key, slot);
        break;
      case 6:
        table.confirm(key, slot, T);
        break;
      default:
        table.lookup(key, T, 0, 0, row);
    }
    Atomics.add(flags, owner, 1);
  }
}

/**
 * Nothing but changes to rows, so that the thread is in the midst of one whenever it is terminated. Alone in its table:
 * it takes no locks.
 */
function write({ memory, owner, flags }: TableThreadData, keys: Key[]): void {
  const writer = new RowWriter(memory, new Int32Array(memory.buffer), new Float64Array(memory.buffer), owner);
  for (let turn = 0; ; turn++) {
    const row = turn % keys.length;
    writer.bind(row, keys[row]!, turn % 2, turn % 4, 1, 0, LIVE, T, T, 0);
    writer.move(row, (turn + 1) % 4, 1, 0);
    writer.confirm(row, T);
    if (turn % 3 === 0) writer.entomb(row, T + 10);
    if (turn % 5 === 0) writer.free(row);
    flags[owner] = turn;
  }
}

if (parentPort !== null) begin(workerData as TableThreadData);
