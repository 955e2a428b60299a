import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryPressure } from '../../src/limits/memory-pressure.ts';
import { threadMemory } from '../../src/limits/thread-memory.ts';
import { createLogger } from '../../src/logging/logger.ts';
import { LabelledCounters } from '../../src/metrics/labelled-counters.ts';
import { TimerWheel } from '../../src/timing/timer-wheel.ts';
import { MemoryRelief } from '../../src/worker/memory-relief.ts';

test('79: what is remembered only to save work makes no memory short: it is let go of before anybody is turned away', () => {
  const pressure = new MemoryPressure(MemoryPressure.allocate(2));
  let remembered: Buffer | null = Buffer.alloc(64 * 1_048_576);
  const relief = new MemoryRelief({
    pressure,
    thread: 1,
    limit: () => 1,
    wheel: new TimerWheel(),
    log: createLogger('info', { write: () => {} } as never),
    labelled: new LabelledCounters(),
    forget: () => {
      remembered = null;
    },
  });
  const ticks = (): void => {
    for (let n = 0; n < 4; n++) relief.tick([]);
  };
  ticks();
  const before = pressure.usedBy(1);
  assert.ok(remembered !== null && before >= 64 * 1_048_576);
  pressure.ask();
  ticks();
  assert.equal(remembered, null);
  assert.equal(pressure.isAsked(1), false);
  assert.ok(pressure.usedBy(1) < before - 60 * 1_048_576);
  assert.ok(pressure.usedBy(1) <= threadMemory.used + 8 * 1_048_576);
});
