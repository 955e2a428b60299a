import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POLICIES } from '../../src/balancing/registry.ts';
import { poolSchema } from '../../src/config/pool-schema.ts';
import { balancingContract } from '../contracts/balancing.ts';

for (const [name, factory] of Object.entries(POLICIES)) balancingContract(name, factory);

test('every policy that the configuration allows is there, and none that it does not', () => {
  for (const name of Object.keys(POLICIES)) assert.equal(poolSchema.parse({ balance: name }).balance, name);
  assert.equal(poolSchema.safeParse({ balance: 'no-such-policy' }).success, false);
});
