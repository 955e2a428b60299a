import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { backlog } from '../../src/timing/backlog.ts';
import { Deadline } from '../../src/timing/deadline.ts';
import { Timed, TimerWheel } from '../../src/timing/timer-wheel.ts';

const TICK = 50;

class Alarm extends Timed {
  readonly #ring: () => void;

  constructor(ring: () => void) {
    super();
    this.#ring = ring;
  }

  onDeadline(): void {
    this.#ring();
  }
}

/** A wheel whose turns are made by hand, as if there were an event loop. */
class Turns {
  readonly wheel = new TimerWheel();
  at = performance.now();

  constructor() {
    this.wheel.advance(this.at);
  }

  /** A turn that takes so long, from one look at the wheel to the next. */
  turn(ms: number): void {
    this.at += ms;
    this.wheel.advance(this.at);
  }

  /** Turns in time until so much of it has gone by. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= TICK) this.turn(Math.min(left, TICK));
  }

  /** @returns when it rings, ms since the beginning; -1: not yet */
  alarm(ms: number): { at: number } {
    const began = this.at;
    const rung = { at: -1 };
    const alarm = new Alarm(() => {
      rung.at = this.at - began;
    });
    this.wheel.set(alarm, ms);
    return rung;
  }
}

afterEach(() => {
  backlog.left = false;
});

test('a deadline passes in time: never early, three ticks late at most', () => {
  for (const ms of [0, 1, 49, 50, 51, 1_000, 60_000, 120_000]) {
    for (const step of [13, 50, 60, 99]) {
      const turns = new Turns();
      turns.turn(step);
      const rung = turns.alarm(ms);
      while (rung.at < 0) turns.turn(step);
      assert.ok(rung.at >= ms && rung.at <= ms + 4 * Math.max(step, TICK), `${ms} in steps of ${step}: ${rung.at}`);
    }
  }
});

test('L0: what became due in a turn that came late waits until readiness has been looked at', () => {
  for (const pause of [101, 1_500, 4_000, 100_000]) {
    const turns = new Turns();
    const rung = turns.alarm(1_000);
    turns.pass(950);
    turns.turn(pause);
    assert.equal(rung.at, -1, 'not in the turn behind the pause');
    turns.turn(TICK);
    assert.equal(rung.at, -1, 'a pause counts as one tick');
    turns.pass(2 * TICK);
    assert.notEqual(rung.at, -1);
  }
});

test('L5: a deadline that is set in the turn behind a pause counts from then on', () => {
  const turns = new Turns();
  let rung = { at: -1 };
  // An event of the turn: the wheel has not been looked at since the pause.
  turns.at += 2_000;
  rung = turns.alarm(1_000);
  turns.turn(5);
  turns.pass(900);
  assert.equal(rung.at, -1);
  turns.pass(300);
  assert.ok(rung.at >= 1_000, `${rung.at}`);
});

test('L0: where all turns come late deadlines pass all the same', () => {
  const turns = new Turns();
  const rung = turns.alarm(1_000);
  for (let n = 0; n < 30; n++) turns.turn(200);
  assert.notEqual(rung.at, -1);
});

test('L0: deadlines wait for connections that have something to be read, for a while', () => {
  const turns = new Turns();
  const rung = turns.alarm(100);
  turns.pass(TICK);
  backlog.left = true;
  turns.pass(1_000);
  assert.equal(rung.at, -1);
  backlog.left = false;
  turns.turn(TICK);
  assert.notEqual(rung.at, -1);
  const other = turns.alarm(100);
  backlog.left = true;
  turns.pass(5_000);
  assert.notEqual(other.at, -1, 'not for ever');
});

test('L0: a pause is known to whoever asks, before the next look at the wheel and after it', () => {
  const turns = new Turns();
  const before = turns.at;
  turns.pass(500);
  assert.equal(turns.wheel.paused(before, turns.at + 20), false);
  assert.equal(turns.wheel.paused(before, turns.at + 300), true);
  turns.turn(300);
  assert.equal(turns.wheel.paused(before, turns.at), true);
  assert.equal(turns.wheel.paused(turns.at + 1, turns.at + 20), false);
});

test('a deadline of the thread passes once, can be cancelled and set again', async () => {
  const passed = Promise.withResolvers<void>();
  let times = 0;
  const began = performance.now();
  const deadline = new Deadline(10_000, () => {
    times++;
    passed.resolve();
  });
  deadline.cancel();
  deadline.cancel();
  deadline.restart(100);
  deadline.restart(20);
  const other = new Deadline(1, () => assert.fail('it was cancelled'));
  other.cancel();
  await passed.promise;
  assert.equal(times, 1);
  assert.ok(performance.now() - began >= 20);
});

test('L0: a deadline of the thread is not late by a pause of the thread', async () => {
  const order: string[] = [];
  const passed = Promise.withResolvers<void>();
  const deadline = new Deadline(100, () => {
    order.push('late');
    passed.resolve();
  });
  await new Promise((resolve) => setTimeout(resolve, 60));
  const until = performance.now() + 1_000;
  while (performance.now() < until);
  // What the system has for this thread by now comes in the next turn.
  setImmediate(() => order.push('ready'));
  await passed.promise;
  deadline.cancel();
  assert.deepEqual(order, ['ready', 'late']);
});
