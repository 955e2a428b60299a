import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exchange } from '../../src/exchange/exchange.ts';
import { TimerWheel } from '../../src/timing/timer-wheel.ts';
import { ConnectQueue } from '../../src/upstream/connect-queue.ts';

const AT_ONCE = 128;

/** Stands for a connection that waits: what ConnectQueue looks at. */
class Waiting {
  nextWaiting: Waiting | null = null;
  previousWaiting: Waiting | null = null;
  readonly exchange = {} as Exchange;
  readonly name: number;
  readonly #turns: ConnectQueue<Waiting>;
  readonly #took: number[];
  constructor(name: number, turns: ConnectQueue<Waiting>, took: number[]) {
    this.name = name;
    this.#turns = turns;
    this.#took = took;
  }
  connectNow(): void {
    this.#took.push(this.name);
    this.#turns.began();
  }
  canReuse(): boolean {
    return this.name % 2 === 1;
  }
}

function crowd(count: number) {
  const turns = new ConnectQueue<Waiting>(null);
  const took: number[] = [];
  for (let i = 0; i < AT_ONCE; i++) {
    assert.equal(turns.free, true);
    turns.began();
  }
  assert.equal(turns.free, false);
  const waiting = Array.from({ length: count }, (_, name) => new Waiting(name, turns, took));
  for (const one of waiting) turns.wait(one);
  return { turns, took, waiting };
}

test('a connect that fails, and a connection that says its first word or closes, lets the next in line connect', () => {
  const { turns, took } = crowd(3);
  turns.failed();
  assert.deepEqual(took, [0]);
  const wheel = new TimerWheel();
  const period = turns.opened(wheel);
  assert.deepEqual(took, [0], 'an open connection that is silent keeps its turn');
  turns.firstByte(period);
  assert.deepEqual(took, [0, 1]);
  assert.equal(turns.free, false);
});

test('a connection that stays silent keeps its turn for a moment only, and gives it back once', () => {
  const { turns, took } = crowd(3);
  const wheel = new TimerWheel();
  const began = performance.now();
  wheel.advance(began);
  const period = turns.opened(wheel);
  wheel.advance(began + 49);
  assert.deepEqual(took, []);
  for (let ms = 100; ms <= 200; ms += 50) wheel.advance(began + ms);
  assert.deepEqual(took, [0]);
  turns.firstByte(period);
  assert.deepEqual(took, [0]);
  assert.equal(turns.free, false);
});

test('who leaves is passed over, wherever it stands in the line', () => {
  for (const gone of [0, 2, 4]) {
    const { turns, took, waiting } = crowd(5);
    turns.leave(waiting[gone]!);
    turns.leave(waiting[gone]!);
    for (let i = 0; i < 5; i++) turns.failed();
    assert.deepEqual(
      took,
      [0, 1, 2, 3, 4].filter((name) => name !== gone),
    );
    assert.equal(turns.first, null);
  }
});

test('a connection that comes free goes to the first in line that it is good for', () => {
  const { turns, waiting } = crowd(4);
  const free = {} as Waiting;
  assert.equal(turns.nextFor(free), waiting[1]);
  turns.leave(waiting[1]!);
  assert.equal(turns.nextFor(free), waiting[3]);
  turns.leave(waiting[3]!);
  assert.equal(turns.nextFor(free), null);
  assert.equal(turns.first, waiting[0]);
});
