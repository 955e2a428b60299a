import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConnectionLimits } from '../../src/listeners/connection-limits.ts';

const ALLOWANCE = { connections: 20, waiting: 1 };

test('what is counted is what is open, over all workers, also when one dies', () => {
  const step = fc.record({ worker: fc.nat(3), listener: fc.nat(2), address: fc.nat(3), what: fc.nat(9) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = ConnectionLimits.allocate(4, 3, true, ALLOWANCE);
      const limits = Array.from({ length: 4 }, (_, worker) => new ConnectionLimits(memory, worker));
      let open: { worker: number; listener: number; address: string }[] = [];
      for (const { worker, listener, address: n, what } of steps) {
        const address = `10.0.0.${n}`;
        if (what === 0) {
          limits[(worker + 1) % 4]!.clearWorker(worker);
          open = open.filter((one) => one.worker !== worker);
        } else if (what < 4) {
          const at = open.findIndex((one) => one.worker === worker);
          if (at < 0) continue;
          const [one] = open.splice(at, 1);
          limits[worker]!.closed(one!.listener, one!.address);
        } else {
          limits[worker]!.opened(listener, address);
          open.push({ worker, listener, address });
        }
        for (const one of limits) {
          assert.equal(one.exhausted, open.length >= ALLOWANCE.connections);
          assert.equal(one.connections(listener), open.filter((c) => c.listener === listener).length);
          const same = open.filter((c) => c.listener === listener && c.address === address);
          assert.equal(one.connectionsOf(listener, address), same.length);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test('L4: a new connection costs as much with 256 workers as with one', () => {
  const cost = (workers: number): number => {
    const limits = new ConnectionLimits(ConnectionLimits.allocate(workers, 40, false, ALLOWANCE), 0);
    let least = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 20; round++) {
      const began = performance.now();
      for (let n = 0; n < 2_000; n++) {
        if (limits.exhausted || limits.connections(3) > 20) throw new Error('nobody is here');
        limits.opened(3, '10.0.0.1');
        limits.closed(3, '10.0.0.1');
      }
      least = Math.min(least, performance.now() - began);
    }
    return least;
  };
  cost(1);
  const [one, many] = [cost(1), cost(256)];
  // Ten thousand cells to sum up were some hundred times as much.
  assert.ok(many < 20 * one + 1, `${one} and ${many} ms`);
});
