import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createLogger } from '../../src/logging/logger.ts';
import { Watchdog, type WatchedWorker } from '../../src/supervisor/watchdog.ts';

/** Looks of the supervisor come this far apart, ms. */
const LOOK = 250;

interface Fake {
  silence: number;
  used: number;
  waited: number;
  ended: number;
  listening: boolean;
  thread: Worker;
}

/** A watchdog of workers that are not there. */
function watch(t: TestContext, count: number, more: { inspected?: boolean; limit?: number; coarse?: boolean } = {}) {
  let now = 1_000_000;
  const lines: string[] = [];
  const fakes: Fake[] = Array.from({ length: count }, () => {
    const fake: Fake = { silence: 0, used: 0, waited: 0, ended: 0, listening: true, thread: null as unknown as Worker };
    fake.thread = { terminate: async () => ++fake.ended } as unknown as Worker;
    return fake;
  });
  const watchdog = new Watchdog({
    limit: () => more.limit ?? 10_000,
    silence: (worker) => fakes[worker]!.silence,
    cpu: (tid) => ({ used: fakes[tid - 1]!.used, waited: more.coarse === true ? null : fakes[tid - 1]!.waited }),
    stack: async () => '    at spin (file.ts:1:2)',
    inspected: () => more.inspected ?? false,
    onEnd: () => {},
    log: createLogger('info', { write: (text: string) => void lines.push(text) } as never),
    now: () => now,
  });
  t.diagnostic(`${count} workers`);
  return {
    fakes,
    lines,
    /**
     * Lets so many ms go by. @param share of a core that each worker of `spins` uses @param waits share of the time for
     * which it waits for one @param punctual share of the time that the supervisor's turns were punctual
     */
    async run(ms: number, spins: readonly number[], share = 1, waits = 0, punctual = 1) {
      for (let passed = 0; passed < ms; passed += LOOK) {
        now += LOOK;
        for (const [index, fake] of fakes.entries()) {
          if (!spins.includes(index)) fake.silence = 0;
          else {
            fake.silence += LOOK * punctual;
            fake.used += LOOK * share;
            fake.waited += LOOK * waits;
          }
        }
        const workers: WatchedWorker[] = fakes.map(({ thread, listening }, index) => ({
          index,
          thread,
          listening,
          tid: index + 1,
        }));
        watchdog.look(workers);
        for (let n = 0; n < 5; n++) await Promise.resolve();
      }
    },
    /** Another thread listens in the place of one that was ended. */
    replace(index: number) {
      const fake = fakes[index]!;
      fake.thread = { terminate: async () => ++fake.ended } as unknown as Worker;
      fake.silence = 0;
    },
  };
}

const ends = ({ fakes }: ReturnType<typeof watch>): number[] => fakes.map(({ ended }) => ended);

test('78: a worker that uses CPU without progress is ended after the time, with its stack', async (t) => {
  const watched = watch(t, 2);
  await watched.run(10_000, [0]);
  assert.deepEqual(ends(watched), [0, 0]);
  await watched.run(1_000, [0]);
  assert.deepEqual(ends(watched), [1, 0]);
  assert.equal(watched.lines.length, 1);
  assert.match(watched.lines[0]!, /"worker":0.*at spin \(file\.ts:1:2\).*worker uses CPU and makes no progress/);
});

test('78: one that waits, and uses no CPU, is not', async (t) => {
  // For a disk; for a lock, which it looks at now and then; the same on a machine with much to do.
  for (const [used, waits] of [
    [0, 0],
    [0.03, 0.01],
    [0.005, 0.9],
  ] as const) {
    const watched = watch(t, 1);
    await watched.run(60_000, [0], used, waits);
    assert.deepEqual(ends(watched), [0], `${used} ${waits}`);
  }
  const coarse = watch(t, 1, { coarse: true });
  await coarse.run(60_000, [0], 0.05);
  assert.deepEqual(ends(coarse), [0]);
});

test('78: one that spins on a busy machine, and gets little of a core, is', async (t) => {
  const watched = watch(t, 1);
  await watched.run(11_000, [0], 0.03, 0.95);
  assert.deepEqual(ends(watched), [1]);
  const coarse = watch(t, 1, { coarse: true });
  await coarse.run(11_000, [0], 0.2);
  assert.deepEqual(ends(coarse), [1]);
});

test('78: progress begins the time anew', async (t) => {
  const watched = watch(t, 1);
  for (let n = 0; n < 5; n++) {
    await watched.run(9_000, [0]);
    await watched.run(LOOK, []);
  }
  assert.deepEqual(ends(watched), [0]);
});

test("78: only the supervisor's own punctual turns count", async (t) => {
  const watched = watch(t, 1);
  await watched.run(40_000, [0], 1, 0, 0.2);
  assert.deepEqual(ends(watched), [0]);
  await watched.run(20_000, [0], 1, 0, 0.2);
  assert.deepEqual(ends(watched), [1]);
});

test('78: neither under an inspector nor with watchdog: 0', async (t) => {
  for (const more of [{ inspected: true }, { limit: 0 }]) {
    const watched = watch(t, 1, more);
    await watched.run(60_000, [0]);
    assert.deepEqual(ends(watched), [0]);
  }
});

test('78: one worker at a time', async (t) => {
  const watched = watch(t, 3);
  await watched.run(12_000, [0, 1, 2]);
  assert.deepEqual(ends(watched), [1, 0, 0]);
  watched.replace(0);
  await watched.run(500, [1, 2]);
  assert.deepEqual(ends(watched), [1, 1, 0]);
});

test('78: three a minute at most', async (t) => {
  const watched = watch(t, 5);
  for (let n = 0; n < 5; n++) {
    await watched.run(11_000 + LOOK, [n]);
    watched.replace(n);
  }
  assert.deepEqual(ends(watched), [1, 1, 1, 0, 0]);
  assert.equal(watched.lines.filter((line) => line.includes('three were ended within a minute')).length, 1);
  await watched.run(20_000, []);
  await watched.run(11_000, [4]);
  assert.deepEqual(ends(watched), [1, 1, 1, 0, 1]);
});
