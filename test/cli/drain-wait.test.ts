import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DrainLook, type DrainProgress, waitForDrain } from '../../src/cli/drain-wait.ts';

/** A backend in a world whose time passes only while the command waits. */
function rig(onPause: (world: World) => void = () => {}) {
  const world: World = {
    now: 1000,
    backend: { state: 'drain', sessions: 3, activeRequests: 1 },
    interrupted: false,
    shown: [],
    evacuations: [],
    evacuation: { moved: 0, stayed: 0 },
  };
  const wait = (deadline: number | null) =>
    waitForDrain(
      {
        look: async () => world.backend,
        evacuate: async () => {
          world.evacuations.push(world.now);
          const { moved, stayed } = world.evacuation;
          if (world.backend !== null) world.backend = { ...world.backend, sessions: stayed };
          return { moved, stayed };
        },
        now: () => world.now,
        pause: async (ms) => {
          assert.ok(ms > 0, 'never looks without a pause');
          world.now += ms;
          onPause(world);
        },
        isInterrupted: () => world.interrupted,
        show: (progress) => world.shown.push(progress),
      },
      deadline,
    );
  return { world, wait };
}

interface World {
  now: number;
  backend: DrainLook | null;
  interrupted: boolean;
  readonly shown: DrainProgress[];
  readonly evacuations: number[];
  evacuation: { moved: number; stayed: number };
}

const left = (sessions: number, activeRequests: number): DrainLook => ({ state: 'drain', sessions, activeRequests });

test('a drain is over when neither a session nor a request is left', async () => {
  const steps = [left(2, 1), left(0, 1), left(0, 0)];
  const { world, wait } = rig((w) => (w.backend = steps.shift()!));
  assert.deepEqual(await wait(null), { how: 'empty', sessions: 0, requests: 0, moved: 0 });
  assert.deepEqual(world.shown, [
    { sessions: 3, requests: 1, remaining: null },
    { sessions: 2, requests: 1, remaining: null },
    { sessions: 0, requests: 1, remaining: null },
  ]);
  assert.deepEqual(world.evacuations, []);
});

test('at the deadline the sessions that are left are moved, and the requests under way may end', async () => {
  const { world, wait } = rig((w) => {
    if (w.now > 20_000) w.backend = left(0, 0);
  });
  world.evacuation = { moved: 3, stayed: 0 };
  assert.deepEqual(await wait(2000), { how: 'empty', sessions: 0, requests: 0, moved: 3 });
  assert.deepEqual(world.evacuations, [3000]);
  assert.deepEqual(
    world.shown.slice(0, 5).map(({ remaining }) => remaining),
    [2000, 1500, 1000, 500, 0],
  );
});

test('a deadline of nothing moves the sessions at once', async () => {
  const { world, wait } = rig((w) => (w.backend = left(0, 0)));
  world.evacuation = { moved: 3, stayed: 0 };
  assert.equal((await wait(0)).moved, 3);
  assert.deepEqual(world.evacuations, [1000]);
});

test('a session that comes back by its cookie after the deadline is moved too', async () => {
  let back = 0;
  const { world, wait } = rig((w) => {
    if (w.now > 15_000) w.backend = left(0, 0);
    else if (back++ === 3) w.backend = left(1, 1);
  });
  world.evacuation = { moved: 1, stayed: 0 };
  assert.deepEqual(await wait(0), { how: 'empty', sessions: 0, requests: 0, moved: 2 });
  assert.equal(world.evacuations.length, 2);
});

test('sessions that have nowhere to go are said, when the last request has ended', async () => {
  const { world, wait } = rig((w) => {
    if (w.now > 4000) w.backend = left(2, 0);
  });
  world.evacuation = { moved: 0, stayed: 2 };
  assert.deepEqual(await wait(1000), { how: 'stayed', sessions: 2, requests: 0, moved: 0 });
  assert.ok(world.now > 4000);
});

test('a backend that has left the configuration has drained', async () => {
  const { wait } = rig((w) => (w.backend = null));
  assert.equal((await wait(null)).how, 'gone');
});

test('a backend that somebody makes ready again is not waited for', async () => {
  const { wait } = rig((w) => (w.backend = { state: 'ready', sessions: 5, activeRequests: 2 }));
  assert.deepEqual(await wait(60_000), { how: 'ready', sessions: 5, requests: 2, moved: 0 });
});

test('an interrupted wait says what is left', async () => {
  const { world, wait } = rig((w) => (w.interrupted = true));
  assert.deepEqual(await wait(60_000), { how: 'interrupted', sessions: 3, requests: 1, moved: 0 });
  assert.deepEqual(world.evacuations, []);
});
