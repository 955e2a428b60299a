import assert from 'node:assert/strict';
import { test } from 'node:test';
import { threadMemory } from '../../src/limits/thread-memory.ts';

const MIB = 1_048_576;

test('79: what nobody needs is not counted once it is collected, buffers beside the heap too', () => {
  const held: { buffers: Buffer[] } = { buffers: [] };
  for (let round = 0; round < 3; round++) {
    threadMemory.collect();
    const before = threadMemory.used;
    held.buffers = Array.from({ length: 4_000 }, () => Buffer.alloc(16_384));
    assert.ok(threadMemory.used > before + 60 * MIB);
    held.buffers = [];
    threadMemory.collect();
    const left = (threadMemory.used - before) / MIB;
    assert.ok(left < 10, `${left} MiB`);
  }
});
